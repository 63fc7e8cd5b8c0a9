/** What stands in `message.attention`, or NULL; message_attention tells them apart, so that a million overdue ones do not stand before what is dead. */
export const Attention = {
  /** Dead, dead for a group, or contradicted by its producer. */
  NEEDED: 1,
  /** Some group's copy is overdue, and nothing worse. */
  OVERDUE: 2,
} as const;

/** Expression in an UPDATE of message: the attention of a message that needs none but for overdue copies. Index: PRIMARY of confirm. */
export const attentionOfOverdue = `(CASE WHEN EXISTS (SELECT 1 FROM confirm oc WHERE oc.message_id = message.id AND oc.overdue = 1) THEN ${Attention.OVERDUE} END)`;
