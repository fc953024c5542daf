/* Bandwidths. */
#include "config/units.h"
#include "config/value.h"

#include <string.h>

#define BANDWIDTH_MIN UINT64_C(1024)
#define BANDWIDTH_MAX (UINT64_C(100) << 30)

static void bandwidth_read(struct draft *draft, const char *value, uint64_t *ret)
{
    uint64_t bytes = 0;
    bool off = strcmp(value, "off") == 0;
    int r = off ? 0 : size_parse(value, &bytes);

    if (r < 0 || (bytes > 0 && (bytes < BANDWIDTH_MIN || bytes > BANDWIDTH_MAX)))
        draft_problem(draft, &draft->place, "'%s' is no value of '%s'; give it %s", value,
                      draft->key->name, draft->key->form);
    else
        *ret = bytes;
}

void bandwidth_set(struct draft *draft, const char *value)
{
    bandwidth_read(draft, value, &draft_route(draft)->bandwidth);
}

void session_bandwidth_set(struct draft *draft, const char *value)
{
    bandwidth_read(draft, value, &draft_route(draft)->session_bandwidth);
}
