// A page with sign-in, profile, avatar and chat, on @machi/client. docs/front-end.md explains its parts.
import { ChatError, MachiClient, MachiProblem, MemorySessionStore, paginate } from './client/index.js';

// The browser keeps the refresh token in a cookie that scripts cannot read; the tabs share the identity token.
const machi = new MachiClient({ refresh: 'cookie', store: new MemorySessionStore('machi') });

/** The id of the session that the page shows, and its chat. */
let shown;
let chat;
let unsubscribe = () => {};

const element = (id) => document.getElementById(id);

function showError(error) {
  element('error').hidden = error === undefined;
  element('error').textContent = error === undefined ? '' : explain(error);
}

/** Compare codes, not sentences: they are stable. */
function explain(error) {
  if (error instanceof MachiProblem && error.is('validation_failed', 'password_refused'))
    return error.problem.errors.map(({ message }) => message).join('. ');
  if ([MachiProblem, ChatError, DOMException].some((type) => error instanceof type)) return error.message;
  return 'The server cannot be reached. Try again.';
}

/** Runs the handler of an event and shows its error. */
async function attempt(work) {
  showError();
  try {
    await work();
  } catch (error) {
    showError(error);
  }
}

function onSubmit(id, work) {
  element(id).addEventListener('submit', (event) => {
    event.preventDefault();
    void attempt(() => work(Object.fromEntries(new FormData(event.target)), event.target));
  });
}

// --- Sign-in ---------------------------------------------------------------------------------------------------------

let challenge;

/** The code of the authenticator app is asked for after the password, and no longer when the sign-in is over or has expired. */
function setChallenge(value) {
  challenge = value;
  element('code').hidden = value === undefined;
  if (value !== undefined) element('sign-in').elements.code.focus();
}

onSubmit('sign-in', async ({ login, password, code }, form) => {
  try {
    if (challenge) await machi.signInWithCode(challenge, code);
    else await machi.signIn(login, password);
  } catch (error) {
    if (error instanceof MachiProblem && error.is('two_step_required')) return setChallenge(error.problem.challenge);
    if (error instanceof MachiProblem && error.is('invalid_challenge', 'too_many_codes')) setChallenge(undefined);
    throw error;
  }
  setChallenge(undefined);
  form.reset();
});

onSubmit('register', async ({ username, fullname, password }, form) => {
  await machi.api.register({ body: { username, fullname, password } });
  await machi.signIn(username, password);
  form.reset();
});

element('sign-out').addEventListener('click', () => void attempt(() => machi.signOut()));

// --- Profile and avatar ----------------------------------------------------------------------------------------------

async function showProfile() {
  const [me, avatar] = await Promise.all([machi.api.getMe(), machi.api.getMyAvatar()]);
  element('username').textContent = me.username;
  element('profile').elements.fullname.value = me.fullname;
  element('avatar').src = avatar.avatar_url;
  element('avatar-state').textContent = stateOf(avatar);
}

function stateOf({ shown: current, pending }) {
  if (pending) return 'A moderator has to approve your new avatar.';
  return current ? 'Everyone sees your avatar.' : 'You have no avatar.';
}

onSubmit('profile', async ({ fullname }) => {
  await machi.api.updateMe({ body: { fullname } });
  await showProfile();
});

element('file').addEventListener('change', ({ target }) => {
  const progress = element('progress');
  const [avatar] = target.files;
  target.value = ''; // so that the same file can be chosen again
  void attempt(async () => {
    progress.hidden = false;
    await machi.api.uploadAvatar({
      body: { avatar },
      onProgress: ({ loaded, total }) => (progress.value = loaded / total),
    });
    await showProfile();
  }).finally(() => (progress.hidden = true));
});

// --- Devices ---------------------------------------------------------------------------------------------------------

async function showDevices() {
  element('devices').replaceChildren();
  for await (const { device, is_current } of paginate(machi.api.listSessions)) {
    const item = document.createElement('li');
    item.textContent = is_current ? `${device} (this one)` : device;
    element('devices').append(item);
  }
}

element('push').addEventListener('click', () => {
  void attempt(async () => {
    const registration = await navigator.serviceWorker.register('push-worker.js');
    await machi.push.enable(registration); // machi.push.disable(registration) turns it off
    element('push').disabled = true;
  });
});

// --- Chat ------------------------------------------------------------------------------------------------------------

function openChat() {
  chat = machi.chat();
  chat.on('state', (state) => (element('chat-state').textContent = state));
  chat.on('create_conversation', (conversation) => {
    addConversation(conversation);
    // Others begin conversations, too: a message that is being written stays in the conversation that is shown.
    if (element('conversations').length === 1) showMessages(conversation.id);
  });
  chat.connect();
}

async function listConversations() {
  element('conversations').replaceChildren();
  const conversations = await chat.request('get_conversations', {}); // oldest first
  for (const conversation of conversations) addConversation(conversation);
  if (conversations.length > 0) showMessages(conversations.at(-1).id);
}

function addConversation({ id, name }) {
  const { options } = element('conversations');
  if (![...options].some(({ value }) => value === String(id))) options.add(new Option(name, String(id)));
}

function showMessages(id) {
  unsubscribe();
  element('conversations').value = String(id);
  element('messages').replaceChildren();
  unsubscribe = chat.subscribe(id, showMessage, { onError: showError });
}

/** `textContent`, because others have written the message. */
function showMessage({ sender_username, content }) {
  const item = document.createElement('li');
  item.textContent = `${sender_username}: ${content}`;
  element('messages').append(item);
  item.scrollIntoView({ block: 'nearest' });
}

element('conversations').addEventListener('change', ({ target }) => showMessages(Number(target.value)));

onSubmit('new-conversation', async ({ username }, form) => {
  const conversation = await chat.request('create_conversation', { members: [username] });
  form.reset();
  addConversation(conversation);
  showMessages(conversation.id);
});

onSubmit('send', async ({ content }, form) => {
  form.reset(); // the message is sent as soon as there is a connection
  try {
    await chat.send(Number(element('conversations').value), content);
  } catch (error) {
    form.elements.content.value ||= content; // nothing that was written is lost
    throw error;
  }
});

// --- The session -----------------------------------------------------------------------------------------------------

/** Also runs when another tab signs in or out, and after each refresh of the token, which changes nothing here. */
async function show() {
  const session = machi.sessions.current?.id;
  const hasFocus = document.activeElement !== document.body;
  element('signed-in').hidden = session === undefined;
  element('signed-out').hidden = session !== undefined;
  if (session === shown) return;
  shown = session;
  if (hasFocus) element(session === undefined ? 'signed-out' : 'signed-in').focus(); // what had it is hidden now
  chat?.close();
  unsubscribe();
  element('messages').replaceChildren();
  if (session === undefined) return;
  element('push').disabled = false; // pushes belong to the session
  openChat();
  await Promise.all([showProfile(), showDevices(), listConversations()]);
}

machi.sessions.onChange(() => void attempt(show));
await attempt(() => machi.restore());
await attempt(show);
