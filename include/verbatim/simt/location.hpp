// Where in a kernel body something was called. location is missing from compilers that this library supports.
#pragma once

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

 private:
  char const* file_ = "";
  int line_ = 0;
};

}  // namespace verbatim::simt
