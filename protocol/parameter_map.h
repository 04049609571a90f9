/* How the markers of a rewritten statement stand for the parameters of the client's: a map has an entry for
 * each marker. The rewriter makes it, protocol/execute.h puts executions together by it.
 *
 * An entry is the client's index of the parameter and, of a value that is repeated into the conversion to a
 * column's type, what that needs: a store treats some types otherwise than any cast does. */
#ifndef PROTOCOL_PARAMETER_MAP_H
#define PROTOCOL_PARAMETER_MAP_H

#define MAP_INDEX(entry) ((entry)&0xffffu)
#define MAP_NEED(entry)  ((entry) >> 16)
#define MAP_MAX          0xffffu /* so many parameters can be told apart; a server takes no more */

/* Needs: 0, or bits. */
#define MAP_TEXT                                                                                             \
    0x1fu /* the column is a text of so many characters: a store writes a floating-point number that         \
             is longer with fewer digits, where a cast cuts it off */
#define MAP_WHOLE 0x20u /* an integer: a store rounds halves of floating-point numbers to the even number */
#define MAP_MYSQL                                                                                            \
    0x40u /* MySQL: the statement keeps the types of its first execution where later values can be           \
             converted to them, each marker by itself. One bound otherwise needs a new statement */
#define MAP_MOMENT 0x80u /* MySQL: a text gets a moment without parts of a second, a cast writes them */

#endif
