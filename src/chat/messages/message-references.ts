/**
 * A message whose conversation or sender does not exist, after triggers did not run. See docs/decisions/message-references.md.
 */
export const SELECT_MESSAGE_WITHOUT_REFERENCE = `select from messages m
  where not exists (select from conversations c where c.id = m.conversation_id)
    or not exists (select from participants p where p.id = m.sender_id) limit 1`;
