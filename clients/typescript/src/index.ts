export { MachiClient, type Answer, type MachiOptions } from './client.js';
export { MachiProblem, UnexpectedResponse, type Problem, type ProblemCode, type ProblemOf } from './problem.js';
export { MemorySessionStore, WebSessionStore, type SessionStore, type StoredSession } from './session-store.js';
export { Sessions, type SessionDto } from './sessions.js';
export { Push, type PushContent, type PushRegistration } from './push.js';
export { paginate } from './paginate.js';
export type { Api, Arguments, CallOptions, OperationId, Progress, Result } from './operations.js';
export type { components, operations } from './generated/api.js';
export {
  ChatClient,
  type ChatClose,
  type ChatConversation,
  type ChatEvents,
  type ChatOptions,
  type ChatState,
  type Following,
  type SendOptions,
  type TokenSource,
} from './chat/chat-client.js';
export { ChatError, type ChatClientErrorCode, type ChatErrorCode } from './chat/chat-error.js';
export type { ChatCursor, ChatEvent } from './chat/follower.js';
export type { ChatMessage } from './chat/subscription.js';
export { CLOSE_CODES, type ChatAnswers, type ChatPushes, type ChatRequests } from './generated/chat.js';
