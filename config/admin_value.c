/* Where the program answers its operators. */
#include "config/address.h"
#include "config/value.h"

#include <stdlib.h>
#include <string.h>

/* A name could come to mean another address, one that more may reach. */
static bool is_address(const struct endpoint *endpoint)
{
    struct address address;

    return endpoint->kind == ENDPOINT_TCP &&
           (strcmp(endpoint->name, "*") == 0 || address_of_endpoint(endpoint, &address) == 0);
}

void admin_listen_set(struct draft *draft, const char *value)
{
    char error[ENDPOINT_ERROR_BYTES];
    struct endpoint endpoint;

    if (endpoint_parse(value, ENDPOINT_LISTEN, &endpoint, error) < 0) {
        draft_problem(draft, &draft->place, "%s", error);
        return;
    }
    if (!is_address(&endpoint)) {
        draft_problem(draft, &draft->place, "'%s' is no value of '%s'; give it %s", value,
                      draft->key->name, draft->key->form);
        return;
    }
    free(draft->config->admin_listen);
    draft->config->admin_listen = malloc(sizeof(endpoint));
    draft->admin_listen = draft->place;
    if (draft->config->admin_listen)
        *draft->config->admin_listen = endpoint;
    else
        draft->exhausted = true;
}
