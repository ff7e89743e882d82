/** The path of the WebSocket. All gateways use it and share one server. */
export const CHAT_PATH = '/api/ws';
