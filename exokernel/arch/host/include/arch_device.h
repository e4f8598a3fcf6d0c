/* What drivers ask of a machine is the same on the host; tests of drivers give it. */
#pragma once
#include "../../x86_64/include/arch_device.h"
