/** A page for browsers that open the mailed link: without style and script, so that no front end is needed. */
const page = (body: string): string =>
  `<!doctype html>\n<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
  `<title>Your e-mail address</title><body><main>${body}</main></body></html>\n`;

/** Needs a click on a button, because programs that scan mails open links and must not confirm anything. */
export const CONFIRM_PAGE = page(
  `<h1>Is this your e-mail address?</h1><form method="post"><button>Yes, confirm it</button></form>`,
);

/** The address has been verified. */
export const VERIFIED_PAGE = {
  status: 200,
  html: page('<h1>Thank you</h1><p>Your e-mail address is confirmed. You can close this page.</p>'),
};

/** The link is not valid. */
export const INVALID_LINK_PAGE = {
  status: 404,
  html: page('<h1>This link does not work any more</h1><p>Sign in and ask for another one.</p>'),
};
