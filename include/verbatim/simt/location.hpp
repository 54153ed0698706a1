// Where in a kernel body something was called. location is missing from compilers that this library supports.
#pragma once
#include <cstring>

namespace verbatim::simt {

class location {
 public:
  static constexpr location current(char const* file = __builtin_FILE(), int line = __builtin_LINE()) noexcept {
    location l;
    l.file_ = file, l.line_ = line;
    return l;
  }
  constexpr char const* file_name() const noexcept { return file_; }
  constexpr int line() const noexcept { return line_; }
  /// One place of the text has one file name in a unit, mostly: characters are compared where it does not.
  friend bool operator==(location a, location b) noexcept { return a.line_ == b.line_ && (a.file_ == b.file_ || std::strcmp(a.file_, b.file_) == 0); }

 private:
  char const* file_ = "";
  int line_ = 0;
};

}  // namespace verbatim::simt
