import { htmlPage } from '../../http/html-page.js';

const TITLE = 'Your e-mail address';

/**
 * The page needs a click on a button, because programs that scan mails open links and must not confirm anything. `message` is a
 * sentence about the previous attempt.
 */
export const confirmPage = (message = ''): string =>
  htmlPage(
    TITLE,
    '<h1>Is this your account?</h1>' +
      (message === '' ? '' : `<p role="status">${message}</p>`) +
      '<p>This e-mail address was entered for an account. If the account is yours, confirm the address with its password. ' +
      'If it has no password, sign in to it and confirm the address there.</p>' +
      '<form method="post"><label>Password <input type="password" name="password" autocomplete="current-password" ' +
      'required maxlength="1000"></label> <button>Confirm the address</button></form>' +
      '<h2>Not yours?</h2><p>Remove the address from the account that another person made with it.</p>' +
      '<form method="post"><button name="action" value="disown">I did not register this account</button></form>',
  );

export const CONFIRMED_PAGE = htmlPage(
  TITLE,
  '<h1>Thank you</h1><p>Your e-mail address is confirmed. You can close this page.</p>',
);

export const DISOWNED_PAGE = htmlPage(
  TITLE,
  '<h1>Your address is removed</h1><p>The account no longer has your e-mail address. You can close this page.</p>',
);

export const INVALID_LINK_PAGE = htmlPage(
  TITLE,
  '<h1>This link does not work any more</h1><p>Sign in and ask for another one.</p>',
);

/** A page for any other problem, with its sentence of the problem catalogue. */
export const problemPage = (message: string): string =>
  htmlPage(TITLE, `<h1>This did not work</h1><p role="status">${message}</p>`);
