/// One program with all commands: which one runs follows from the name that it is called by, as links in `bin` give it.
///
/// Each command has a `main` of its own, which SwiftPM names after its module. COMMANDS is given by scripts/link-program:
/// one COMMAND(module, "name") for each.
#include <stdio.h>
#include <string.h>

#define COMMAND(module, name) int module##_main(int argc, char **argv);
COMMANDS
#undef COMMAND

int main(int argc, char **argv) {
  const char *name = argc > 0 ? argv[0] : "";
  const char *slash = strrchr(name, '/');
  if (slash) name = slash + 1;
#define COMMAND(module, text) \
  if (strcmp(name, text) == 0) return module##_main(argc, argv);
  COMMANDS
#undef COMMAND
  fputs("Error: this program holds all commands of Pouch; call it by the name of one of them:", stderr);
#define COMMAND(module, text) fputs(" " text, stderr);
  COMMANDS
#undef COMMAND
  fputs("\n", stderr);
  return 2;
}
