import type { IncomingMessage } from 'node:http';

const longBodies = new WeakSet<IncomingMessage>();

/**
 * Lifts the time limit of a request body. For routes that take large uploads and refuse slow clients themselves: see
 * UploadSlotsInterceptor. A connection without any traffic is closed all the same.
 */
export const allowLongBody = (request: IncomingMessage): void => void longBodies.add(request);

export const isLongBody = (request: IncomingMessage): boolean => longBodies.has(request);
