/** An error of nodemailer or of the SMS gateway. Its message and response may contain the address; log and store only the codes. */
export type SendError = Error & {
  code?: string;
  responseCode?: number;
  response?: string;
  command?: string;
  /** The SMS gateway rejects this message permanently. */
  isPermanent?: boolean;
};

/** The codes of an error, such as `EENVELOPE 504`, without any personal data. */
export const codesOf = ({ code, responseCode, name }: SendError): string =>
  [code, responseCode].filter(Boolean).join(' ') || name;

/** Replies that say that the client is not set up: greeting, sign-in or encryption is missing or wrong (RFC 5321, RFC 4954). */
const SETUP_REPLIES = [503, 504, 521, 530, 534, 535, 538];
/** Enhanced codes (RFC 3463) about the sender's address, the protocol, and policies such as relaying or SPF. */
const SETUP_STATUS = /^\d{3}[ -]5\.(?:1\.[78]|5\.\d+|7\.\d+)\b/;
/** Commands that do not concern one recipient. */
const SETUP_COMMANDS = ['CONN', 'EHLO', 'HELO', 'LHLO', 'STARTTLS', 'MAIL FROM'];

const isRejection = ({ code, responseCode = 0 }: SendError): boolean =>
  responseCode >= 500 && (code === 'EENVELOPE' || code === 'EMESSAGE');

/** Whether the server blames the set-up of the sender, which the operator can correct, and not this mail or its recipient. */
export const isSetupRefused = (error: SendError): boolean => {
  const { responseCode = 0, response = '', command = '' } = error;
  if (responseCode < 500) return false;
  if (!isRejection(error)) return true; // refused before the mail: greeting, encryption, sign-in
  return (
    SETUP_REPLIES.includes(responseCode) ||
    SETUP_STATUS.test(response) ||
    SETUP_COMMANDS.some((one) => command.startsWith(one))
  );
};

/** Whether the server rejects this message permanently (RFC 5321, section 4.2.1). */
export const isRejected = (error: SendError): boolean =>
  error.isPermanent === true || (isRejection(error) && !isSetupRefused(error));
