package import ReferenceRuntime

/// The order in which windows go through the layers of a model; without effect on results.
package enum WindowSchedule: Hashable, Sendable {
  /// Each window through all layers before the next one starts: numbers come window by window, and a model that does
  /// not fit in memory is read once for each.
  case windows
  /// Groups of so many windows through one layer after the other: a model is read once for each group.
  case layers(windows: Int, options: GroupOptions)
}

/// Where the work on a group of windows is.
package struct GroupStep {
  /// The model that is at work.
  package var model: LoadedModel
  /// The windows of the group.
  package var windows: Range<Int>
  /// Where its pass through the layers is.
  package var step: GroupSession.Step
}
