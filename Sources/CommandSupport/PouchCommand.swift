package import ArgumentParser
internal import BlockQuantization
internal import CheckpointConversion
package import FileBytes
internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A command of Pouch: errors become one line on standard error and a documented exit code.
///
/// Exit codes: 0 done, 1 failed while working, 2 wrong usage, 3 input rejected, 4 `--strict` violation,
/// 130 interrupted.
package protocol PouchCommand: ParsableCommand {}

/// The version of this build of Pouch alone; what another one left unfinished is not gone on with.
package let pouchVersionNumber = ConversionPlan.writerVersion

/// The version of this build of Pouch, and the kernel level that it uses here.
package let pouchVersion = "\(pouchVersionNumber) (kernel level \(KernelLevel.current.rawValue))"

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
  package static func main() {
    if let wanted = KernelLevel.rejectedRequest {
      Standard.error(
        "note: \(KernelLevel.environmentVariable)=\(oneLine(wanted)) cannot be used here; using \(KernelLevel.current)"
      )
    }
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let error as any FaultError {
      let fault = error.fault.entitled
      let lines = fault.lines.map { oneLine($0.commandText) }
      Standard.error("Error: " + lines.joined(separator: "\n"))
      let code = Interrupt.isRequested ? 130 : error.faultClass.rawValue
      end(code, ErrorReport(fault, exitCode: code))
    } catch {
      let code = exitCode(for: error)
      if code == .success {
        Standard.output(fullMessage(for: error))
        endProcess(0)
      }
      if error is ExitCode { endProcess(code.rawValue) }
      let isUsage = code == .validationFailure
      let status = isUsage ? FaultClass.usage.rawValue : FaultClass.failed.rawValue
      let message = Self.wholeFlag(message(for: error), CommandLine.arguments.dropFirst())
      Standard.error("Error: " + message)
      if isUsage { Standard.error("See '\(_commandName) --help' for flags and examples.") }
      end(status, ErrorReport(message: message, exitCode: status))
    }
  }

  /// A message about a letter of a flag such as `-ngl`, about the whole flag.
  static func wholeFlag(_ message: String, _ arguments: some Sequence<String>) -> String {
    guard let match = message.firstMatch(of: /Unknown option '-([^-'])'/) else { return message }
    let letter = match.1
    let typed = arguments.first { word in
      word.hasPrefix("-") && !word.hasPrefix("--") && word.count > 2 && word.dropFirst().contains(letter)
    }
    guard let typed else { return message }
    return message.replacing("'-\(letter)'", with: "'\(typed)'")
  }

  /// Ends the process; under `--json` without a result, the error takes its place on standard output.
  private static func end(_ code: Int32, _ report: ErrorReport) -> Never {
    let wantsJSON = CommandLine.arguments.dropFirst().prefix { $0 != "--" }.contains("--json")
    if wantsJSON, !Standard.hasPrintedJSON.load(ordering: .relaxed) { try? JSONSchema.error.print(report) }
    endProcess(code)
  }
}

/// A wrong use of flags that only shows after parsing.
package struct UsageError: FaultError {
  /// The message.
  package var fault: Fault
  /// Always usage.
  package var faultClass: FaultClass { .usage }

  /// Creates an error about a flag or argument.
  package init(_ flag: String, expected: String, found: String, remedy: String = "") {
    fault = Fault(subject: flag, expected: expected, found: found, remedy: remedy)
  }
}
