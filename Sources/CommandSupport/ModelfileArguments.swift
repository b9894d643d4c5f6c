internal import ArgumentParser
package import CheckpointConversion
internal import FileBytes

/// The flags for a Modelfile beside each output.
package struct ModelfileArguments: ParsableArguments {
  @Flag(
    name: .customLong("modelfile"),
    help: "Write a Modelfile for Ollama beside each output, NAME.Modelfile.")
  var isWanted = false

  @Option(
    name: .customLong("num-ctx"),
    help: ArgumentHelp("With --modelfile: the tokens that Ollama makes room for.", valueName: "n"))
  var contextLength: Int?

  /// Creates default arguments, as the parser needs.
  package init() {}

  /// Checks what the parser cannot.
  ///
  /// - Throws: A usage error.
  package func validate() throws {
    if let contextLength {
      guard isWanted else { throw ValidationError("--num-ctx needs --modelfile") }
      guard contextLength > 0 else { throw ValidationError("--num-ctx needs a number of at least 1") }
    }
  }

  /// Whether a Modelfile is asked for.
  package var given: [String] { isWanted ? ["--modelfile"] : [] }

  /// Runs prepared conversions and writes their Modelfiles, which are complete before the first weight is read.
  ///
  /// - Parameters:
  ///   - prepared: What is run.
  ///   - checkpoint: The folder that the models are from; `nil` for a GGUF.
  ///   - running: How it is run.
  ///   - threadCount: See ``RunArguments/perform(_:threadCount:)``.
  /// - Throws: As ``RunArguments/perform(_:threadCount:)``; ``ConversionError`` with `badModelfile`, or with
  ///   `outputExists` for a Modelfile with another content.
  package func perform(
    _ prepared: [PreparedConversion], checkpoint: String?, _ running: RunArguments, threadCount: Int? = nil
  ) throws {
    guard isWanted else { return try running.perform(prepared, threadCount: threadCount) }
    let files = try prepared.map { output in
      let name = output.path.hasSuffix(".gguf") ? String(output.path.dropLast(5)) : output.path
      let file = try Modelfile(plan: output.plan, checkpoint: checkpoint, contextLength: contextLength)
      return (path: name + ".Modelfile", bytes: Array(try file.text().utf8), notes: file.comments)
    }
    for file in files where FileSystem.kind(of: file.path) == .folder {
      throw ConversionError(
        .outputExists,
        Fault(
          file: file.path, subject: "Modelfile", expected: "no folder of this name", found: "one",
          remedy: "remove it, or choose another name for the output"))
    }
    for file in files where !running.replacesOutputs {
      let isOther = FileSystem.kind(of: file.path) != .missing && (try? contents(file.path)) != file.bytes
      guard !isOther else {
        throw ConversionError(
          .outputExists,
          Fault(
            file: file.path, subject: "Modelfile", expected: "no file of this name, or this very one",
            found: "another one", remedy: "remove it, or replace it with --force"))
      }
    }
    if !running.isQuiet {
      for note in Set(files.flatMap(\.notes)).sorted() { Standard.error(oneLine("note: Modelfile: " + note)) }
    }
    try running.perform(prepared, threadCount: threadCount)
    // Parts make no file that a Modelfile could name.
    guard !running.isDryRun, !running.isPart else { return }
    for file in files {
      try WritableFile.replace(file.path, with: file.bytes)
      if !running.isQuiet {
        Standard.error(oneLine("wrote \(file.path); use it with: ollama create NAME -f \(file.path)"))
      }
    }
  }

  private func contents(_ path: String) throws -> [UInt8] {
    try ReadableFile.contents(of: path, limit: 4 << 20)
  }
}
