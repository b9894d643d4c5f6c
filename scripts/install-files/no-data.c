/// Data for ICU without an item in it, in place of Foundation's 31 MB of languages, time zones and calendars.
///
/// ICU defines such a file for programs that use none of it; where an item is missing it falls back to what is in its code,
/// which has the properties of all characters and the regular expressions. Pouch asks for nothing else: dates and numbers are
/// written by itself and the C library. scripts/check-install runs the tests of the commands with the program that has this.
#include <stdint.h>

#define PASTE(prefix, number, suffix) prefix##number##suffix
#define NAME(number) PASTE(icudt, number, _dat)

// A `UDataMemory` header of format ToCP, version 1, then a table of contents with 0 entries.
const struct {
  uint16_t header_size;
  uint8_t magic[2];
  uint16_t info_size, reserved;
  uint8_t is_big_endian, charset, char_size, reserved_byte;
  uint8_t format[4], format_version[4], data_version[4];
  uint8_t padding[8];
  uint32_t count, end;
} NAME(ICU_VERSION) __attribute__((aligned(16))) = {
  .header_size = 32,
  .magic = {0xDA, 0x27},
  .info_size = 20,
  .is_big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__,
  .char_size = 2,
  .format = {'T', 'o', 'C', 'P'},
  .format_version = {1},
};
