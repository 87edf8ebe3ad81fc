#include <gmock/gmock.h>

#include "workers/extractor/sandbox.h"

int main(int argc, char** argv) {
  if (argc > 1 && argv[1] == millrace::kSandboxFlag) return millrace::run_sandbox_child();
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
