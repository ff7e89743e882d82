import { htmlPage } from '../../http/html-page.js';

const TITLE = 'Your sign-in methods';

/** The page needs a click on a button, because programs that scan mails open links and must not remove anything. */
export const REMOVAL_PAGE = htmlPage(
  TITLE,
  '<h1>Remove the sign-in methods that the mail lists?</h1>' +
    '<p>All devices are signed out. You can sign in with your password and add sign-in methods again.</p>' +
    '<form method="post"><button>Yes, remove them</button></form>',
);

export const REMOVED_PAGE = htmlPage(
  TITLE,
  '<h1>They are removed</h1><p>All devices are signed out. You can close this page.</p>',
);

export const INVALID_REMOVAL_PAGE = htmlPage(
  TITLE,
  '<h1>This link does not work any more</h1><p>Sign in to see and remove your sign-in methods.</p>',
);
