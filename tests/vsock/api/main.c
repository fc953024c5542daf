#include "tests/vsock/backing.h"

int main(int argc, char **argv)
{
    return backing_main(argc, argv, false);
}
