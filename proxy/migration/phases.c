/* The table of flips. Contract and done have none here: this version ends at cutover. */
#include "proxy/migration/phases.h"

static const struct {
    enum phase from, to;
} flips[] = {
    {PHASE_EXPAND, PHASE_DUAL_WRITE},
    {PHASE_DUAL_WRITE, PHASE_CUTOVER},
    {PHASE_CUTOVER, PHASE_DUAL_WRITE},
    {PHASE_DUAL_WRITE, PHASE_EXPAND},
};

const char *phase_flip_refusal(enum phase from, enum phase to)
{
    if (from == to)
        return "it is in that phase already";
    for (size_t i = 0; i < sizeof(flips) / sizeof(flips[0]); i++)
        if (flips[i].from == from && flips[i].to == to)
            return NULL;
    return to > from ? "no phase may be left out" : "it can be rolled back one phase at a time only";
}

bool phase_is_forward(enum phase from, enum phase to)
{
    return to > from;
}

enum phase phase_recovered(enum phase stored, enum phase intent)
{
    return phase_is_forward(stored, intent) ? stored : intent;
}

bool phase_before(enum phase p, enum phase *out)
{
    if (p == PHASE_EXPAND)
        return false;
    *out = (enum phase)(p - 1);
    return true;
}

bool phase_flip_voids_backfill(enum phase from, enum phase to)
{
    return from == PHASE_EXPAND || to == PHASE_EXPAND;
}
