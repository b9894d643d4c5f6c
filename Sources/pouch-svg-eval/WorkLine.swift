import CommandSupport
import ModelEvaluation

/// The progress of a run on standard error.
final class WorkLine {
  /// An outlook of less is not worth a line.
  private static let shortSeconds = 10.0

  private let isEnabled: Bool
  private let progress: CountProgress
  /// Models whose plan, and whose outlook, was told.
  private var told: Set<String> = []
  private var foretold: Set<String> = []

  init(isEnabled: Bool) {
    self.isEnabled = isEnabled
    progress = CountProgress(isEnabled: isEnabled)
  }

  func update(_ state: SVGRunner.Progress) {
    guard isEnabled else { return }
    guard let drawing = state.drawing else {
      progress.update(done: state.done, total: state.total, resumed: state.resumed, note: state.task)
      return
    }
    tell(drawing)
    let total = Double(max(1, state.total))
    guard let left = drawing.secondsLeft else {
      progress.update(done: state.done, total: state.total, resumed: state.resumed, note: state.task)
      return
    }
    progress.update(
      share: (Double(state.done) + drawing.startedShare) / total, left: left,
      note: "\(state.task), \(state.done) of \(state.total) pieces of work done")
  }

  private func tell(_ drawing: SVGRunner.Progress.Drawing) {
    let plan = drawing.plan
    if plan.answerCount > 1 || plan.readByteCount > 0, told.insert(drawing.label).inserted {
      say(
        MeasuringArguments.drawingIntent(
          label: drawing.label, answerCount: plan.answerCount, memoryByteCount: plan.memoryByteCount,
          readByteCount: plan.readByteCount))
    }
    if let seconds = drawing.secondsLeft, seconds >= Self.shortSeconds,
      foretold.insert(drawing.label).inserted
    {
      say(
        MeasuringArguments.drawingOutlook(
          label: drawing.label, answerCount: drawing.answerCount, tokenLimit: drawing.tokenLimit,
          seconds: seconds))
    }
  }

  private func say(_ line: String) {
    progress.clear()
    Standard.error(line)
  }

  func clear() { progress.clear() }
}
