/* Random runs from the command line: scenario [FIRST [COUNT]], one with a trace, many without. */
#include "tests/proxy/scenario.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;

    if (argc == 2)
        scenario_run(first, true);
    else
        scenario_run_many(first, argc > 2 ? strtoull(argv[2], NULL, 0) : 4000);
    return 0;
}
