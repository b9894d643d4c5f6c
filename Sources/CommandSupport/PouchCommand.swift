public import ArgumentParser
public import FileBytes

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A command of Pouch: errors become one line on standard error and a documented exit code.
///
/// Exit codes: 0 done, 1 failed while working, 2 wrong usage, 3 input rejected, 4 `--strict` violation,
/// 130 interrupted.
public protocol PouchCommand: ParsableCommand {}

/// The version of this build of Pouch.
public let pouchVersion = "0.1.0"

/// Ends the process; spelled apart since `ParsableArguments` has an `exit` of its own.
private func endProcess(_ code: Int32) -> Never { exit(code) }

/// `text` with control characters written as escapes.
///
/// Messages quote names from files; those must not break lines or drive the terminal.
func oneLine(_ text: String) -> String {
  var line = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\n": line += "\\n"
    case "\r": line += "\\r"
    case "\t": line += "\\t"
    case _ where scalar.properties.generalCategory == .control || ("\u{2028}"..."\u{2029}").contains(scalar):
      line += "\\u{" + String(scalar.value, radix: 16) + "}"
    default: line.unicodeScalars.append(scalar)
    }
  }
  return line
}

extension PouchCommand {
  /// Parses the command line, runs, and exits with the right code.
  public static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let error as any FaultError {
      Standard.error("Error: " + oneLine(error.fault.description))
      endProcess(Interrupt.isRequested ? 130 : error.faultClass.rawValue)
    } catch {
      let code = exitCode(for: error)
      if code == .success {
        Standard.output(fullMessage(for: error))
        endProcess(0)
      }
      if error is ExitCode { endProcess(code.rawValue) }
      Standard.error(fullMessage(for: error))
      endProcess(code == .validationFailure ? FaultClass.usage.rawValue : FaultClass.failed.rawValue)
    }
  }
}

/// A wrong use of flags that only shows after parsing.
public struct UsageError: FaultError {
  /// The message.
  public var fault: Fault
  /// Always usage.
  public var faultClass: FaultClass { .usage }

  /// Creates an error about a flag or argument.
  public init(_ flag: String, expected: String, found: String, remedy: String = "") {
    fault = Fault(subject: flag, expected: expected, found: found, remedy: remedy)
  }
}
