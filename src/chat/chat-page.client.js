// The script of /docs/chat: signs in, connects, sends frames and lists what arrives.
const byId = (id) => document.getElementById(id);
const base = document.body.dataset.base;
const { requests, closeCodes } = JSON.parse(byId('data').textContent);
const request = byId('request');
const [sendButton, disconnectButton] = request.querySelectorAll('button');

let socket;

const setState = (text) => (byId('state').textContent = text);

/** `direction`: ">" for a frame of this page, "<" for one of the server. */
function log(direction, text) {
  const line = document.createElement('li');
  line.dataset.direction = direction;
  line.append(Object.assign(document.createElement('code'), { textContent: text }));
  byId('log').append(line);
  line.scrollIntoView({ block: 'nearest' });
}

function connect(token) {
  socket?.close(1000);
  const opened = new WebSocket(`${location.origin.replace(/^http/, 'ws')}${base}/api/ws`, ['machi.v2']);
  socket = opened;
  setState('Connecting …');
  opened.addEventListener('open', () => {
    opened.send(JSON.stringify({ type: 'auth', identity_token: token }));
    log('>', '{"type":"auth","identity_token":"…"}');
  });
  opened.addEventListener('message', ({ data }) => {
    log('<', data);
    const { type, data: hello } = JSON.parse(data);
    if (type === 'hello' && socket === opened) showOpen(`Connected as ${hello.user.username}.`, true);
  });
  opened.addEventListener('close', ({ code, reason }) => {
    if (socket !== opened) return;
    const plan = closeCodes.find((one) => one.code === code && (one.reason ?? reason) === reason);
    showOpen(`Closed with ${code} ${reason}. ${plan?.description ?? ''}`, false);
  });
}

function showOpen(text, isOpen) {
  setState(text);
  sendButton.disabled = disconnectButton.disabled = !isOpen;
}

async function signIn(login, password) {
  const response = await fetch(`${base}/api/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ login, password }),
  });
  const body = await response.json();
  if (!response.ok) throw new Error(`${body.code}: ${body.detail}`);
  return body.identity_token;
}

const onSubmit = (id, handle) =>
  byId(id).addEventListener('submit', (event) => {
    event.preventDefault();
    Promise.resolve(handle(new FormData(event.target))).catch((error) => setState(error.message));
  });

onSubmit('sign-in', async (form) => connect(await signIn(form.get('login'), form.get('password'))));
onSubmit('token', (form) => connect(form.get('token').trim()));
onSubmit('request', (form) => {
  socket.send(form.get('frame'));
  log('>', form.get('frame'));
});
disconnectButton.addEventListener('click', () => socket?.close(1000));

request.type.append(...Object.keys(requests).map((type) => new Option(type)));
const showExample = () => (request.frame.value = JSON.stringify(requests[request.type.value]));
request.type.addEventListener('change', showExample);
showExample();
