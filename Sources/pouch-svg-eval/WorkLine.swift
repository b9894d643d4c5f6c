import CommandSupport
import ModelEvaluation

/// The progress of a run on standard error.
struct WorkLine {
  private let progress: CountProgress

  init(isEnabled: Bool) { progress = CountProgress(isEnabled: isEnabled) }

  func update(_ state: SVGRunner.Progress) {
    // The piece that is being worked on counts as begun, not as done.
    progress.update(
      done: max(0, state.done - 1), total: state.total, resumed: min(state.resumed, max(0, state.done - 1)),
      note: state.task)
  }

  func clear() { progress.clear() }
}
