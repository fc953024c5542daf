/* What proxy/machine.h finds for each name: a line of three words, by varlink, by the way that is
 * chosen, and by D-Bus. A word is the CID, or the error's name (ENXIO).
 *
 * usage: machine-cid NAME...
 */
#include "proxy/machine.h"

#include <stdio.h>
#include <string.h>

static void print(int error, uint32_t cid, char end)
{
    if (error)
        printf("%s%c", strerrorname_np(-error), end);
    else
        printf("%u%c", cid, end);
}

int main(int argc, char *argv[])
{
    for (int i = 1; i < argc; i++) {
        uint32_t cid = 0;
        int error = machine_find_cid_at(MACHINE_SOCKET, argv[i], MACHINE_LIMIT_MS, &cid);
        print(error, cid, ' ');
        error = machine_find_cid(argv[i], &cid);
        print(error, cid, ' ');
        error = machine_find_cid_on_bus(argv[i], MACHINE_LIMIT_MS, &cid);
        print(error, cid, '\n');
    }
    return 0;
}
