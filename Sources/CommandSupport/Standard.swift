internal import FileBytes
internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// The standard streams: results go to output, everything else to error.
package enum Standard {
  /// Whether a JSON document was printed as the result, see ``outputJSON(_:schema:version:)``.
  static let hasPrintedJSON = Atomic(false)

  /// Writes a line to standard output.
  ///
  /// A result that cannot be written is a failed run: the process says so and ends with exit code 1.
  package static func output(_ line: String) { write(line.hasSuffix("\n") ? line : line + "\n", to: 1) }

  /// Writes a line to standard error, with the names that the user knows in place of temporary folders.
  package static func error(_ line: String) {
    let line = RemoteFiles.entitled(line)
    write(line.hasSuffix("\n") ? line : line + "\n", to: 2)
  }

  /// Writes text without a line end to standard error.
  package static func errorText(_ text: String) { write(text, to: 2) }

  /// Whether standard error is a terminal.
  package static var errorIsTerminal: Bool { isatty(2) == 1 }

  /// The columns of the terminal on standard error, 80 when unknown.
  package static var terminalWidth: Int {
    var size = winsize()
    return ioctl(2, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
  }

  static func write(_ text: String, to descriptor: Int32) {
    var text = text
    let failure: Int32 = text.withUTF8 { bytes in
      var done = 0
      while done < bytes.count, let base = bytes.baseAddress {
        #if canImport(Glibc)
          let put = Glibc.write(descriptor, base + done, bytes.count - done)
        #else
          let put = Darwin.write(descriptor, base + done, bytes.count - done)
        #endif
        if put < 0 {
          if errno == EINTR { continue }
          return errno
        }
        done += put
      }
      return 0
    }
    // Nobody can be told that standard error is full.
    guard failure != 0, descriptor == 1 else { return }
    write(
      "Error: standard output: expected to write the result, found \(String(cString: strerror(failure)))\n",
      to: 2)
    exit(1)
  }
}
