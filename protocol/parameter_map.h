/* How the markers of a rewritten statement stand for the parameters of the client's: a map has an entry for
 * each marker. The rewriter makes it, protocol/execute.h puts executions together by it. */
#ifndef PROTOCOL_PARAMETER_MAP_H
#define PROTOCOL_PARAMETER_MAP_H

/* An entry of a map: the client's index of the parameter, and of a value that is repeated into the conversion
 * to a column's type what that column needs, since a store treats some types otherwise than any cast:
 *   0             nothing
 *   MAP_WHOLE     an integer column: a store rounds halves of floating-point numbers to the even number
 *   1 … MAP_TEXT  a text column of so many characters: a store writes a floating-point number that is longer
 *                 with fewer digits, where a cast cuts it off */
#define MAP_INDEX(entry) ((entry)&0xffffu)
#define MAP_NEED(entry)  ((entry) >> 16)
#define MAP_MAX          0xffffu /* so many parameters can be told apart; a server takes no more */
#define MAP_WHOLE        0xffffu
#define MAP_TEXT         31u /* every number fits a longer text */

#endif
