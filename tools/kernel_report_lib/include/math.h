// NVRTC has the device functions of <math.h> built in: nothing to declare.
#pragma once
