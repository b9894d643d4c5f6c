package import ArgumentParser

/// The order of windows and layers as a flag.
package enum ScheduleFlag: String, CaseIterable, ExpressibleByArgument, Sendable {
  case auto
  case layers
  case windows
}

/// The flags of commands that run models over many windows: in which order, and in how much memory.
package struct MeasuringArguments: ParsableArguments {
  /// The order of windows and layers.
  @Option(
    help: ArgumentHelp(
      "windows: each window through all layers; layers: groups of windows layer by layer; auto: by memory.",
      discussion:
        "A model larger than memory is read once for each window, or once for each group. Results are the same bits."
    ))
  package var schedule = ScheduleFlag.auto

  /// The most memory; `nil` for what there is.
  @Option(
    help: ArgumentHelp(
      "The most memory for weights in use, windows and all else; by default what there is.",
      discussion: "Groups of windows are as large as it allows; limits of control groups count, too.",
      valueName: "size"))
  package var maxMemory: ByteSize?

  /// Creates default arguments, as the parser needs.
  package init() {}

  /// Refuses a limit that nothing would keep.
  ///
  /// - Throws: `ValidationError`.
  package func validate() throws {
    if schedule == .windows, maxMemory != nil {
      throw ValidationError("--max-memory bounds groups of windows: leave out --schedule windows")
    }
  }
}
