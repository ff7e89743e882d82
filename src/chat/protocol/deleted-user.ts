/** The username shown for deleted users. No username contains brackets. */
export const DELETED_USER = '[deleted]';
