/* The same sizes as on the machine that ships. The explorer has smaller ones. */
#pragma once
#include "../../x86_64/include/limits_of.h"
