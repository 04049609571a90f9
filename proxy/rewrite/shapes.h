/* What texts became, by their shape: the text with its numbers and strings left open.
 *
 *     UPDATE users SET name = 'Ann' WHERE id = 7
 *     UPDATE users SET name = 'Bo' WHERE id = 12
 *
 * have one shape, and what they become differs in the values alone. An application has few shapes and sends
 * each of them again and again; to read one and to look it up costs a fraction of parsing and planning.
 *
 * Only what cannot depend on the values is kept (shape.h says what that is), it is kept for one generation of
 * the rules and one reading of the text, and before it is used it has agreed with the rewriter on three
 * texts. Under AddressSanitizer it has to agree every time. */
#ifndef PROXY_REWRITE_SHAPES_H
#define PROXY_REWRITE_SHAPES_H

#include "proxy/rewrite/rewrite.h"

/* For one thread. */
struct shapes;

/* NULL when memory is out. */
struct shapes *shapes_new(void);
void shapes_free(struct shapes *shapes); /* NULL is allowed */

/* As rewrite_text(), for a text that comes from a client, with the same result; but what `out` points to may
 * also be kept here, where it stays until the next call. `serial`: of the rules; no other rules ever have it.
 */
void shapes_rewrite(struct shapes *shapes, uint64_t serial, struct arena *arena,
                    const struct rewrite_session *s, struct span text, struct rewrite_result *out);

/* How many texts were not parsed; for tests. */
uint64_t shapes_hits(const struct shapes *shapes);

#endif
