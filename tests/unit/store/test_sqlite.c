#include "conformance.h"

int main(void)
{
    return store_conformance("sqlite", store_sqlite_new);
}
