import CommandSupport
import FileBytes
import ModelEvaluation
import ReportPages

/// What most readers of the page want to know, in a sentence or two.
struct PageAnswer {
  private let models: [SVGSummary]
  private let base: String

  init(_ models: [SVGSummary]) {
    self.models = models
    base = models.first { $0.kind == .base }?.label ?? "the base"
  }

  /// The sentences.
  var text: String {
    let tested = models.filter { $0.kind == .tested && $0.forced != nil }
    guard let first = tested.first else {
      let included = models.filter { $0.kind == .included }.compactMap { model in
        model.paired.map { "\(model.label) \(Numbers.value($0.score, 3))" }
      }
      return included.isEmpty
        ? "Nothing could be compared with \(base)."
        : "Likeness with the drawings of \(base), 1 for the same: \(included.joined(separator: ", "))."
    }
    if tested.count == 1 {
      return "\(first.label) against \(base): \(Self.words(first.forced?.verdict)). \(drawings(first))."
    }
    let groups = SVGVerdict.allCases.compactMap { verdict -> String? in
      let own = tested.filter { $0.forced?.verdict == verdict }.map(\.label)
      return own.isEmpty
        ? nil : "\(Self.words(verdict))\(verdict == .broken ? ":" : " in") \(own.joined(separator: ", "))"
    }
    var text = "Against \(base): " + groups.joined(separator: "; ") + "."
    func loss(_ model: SVGSummary) -> Double { model.forced?.divergence.value ?? .infinity }
    let ordered = tested.sorted { loss($0) < loss($1) }
    if let near = ordered.first, let far = ordered.last, loss(near) < loss(far) {
      text += " Closest is \(near.label): \(drawings(near)). Farthest is \(far.label): \(drawings(far))."
    }
    return text
  }

  private static func words(_ verdict: SVGVerdict?) -> String {
    switch verdict {
    case .notDistinguishable, nil: "no difference that matters"
    case .small: "a small difference"
    case .visible: "a visible difference"
    case .broken: "broken"
    }
  }

  private func drawings(_ model: SVGSummary) -> String {
    var text = model.paired.map {
      "\($0.identical) of \(model.answers) drawings are the same, token by token"
    }
    if let score = model.paired?.score { text = (text ?? "") + ", likeness \(Numbers.value(score, 3))" }
    return text ?? "no drawings to compare"
  }
}

/// Size against divergence of the tested models; empty with fewer than two.
struct SizeFigure {
  private let points: [SizeChart.Point]

  init(_ models: [SVGSummary]) {
    let tested = models.filter { $0.kind == .tested }
    points = zip(tested, ShortNames.of(tested.map(\.label))).compactMap { model, short in
      guard let bytes = model.modelBytes, let divergence = model.forced?.divergence else { return nil }
      return SizeChart.Point(
        name: short, kind: FileSystem.kind(of: model.source) == .folder ? .mlx : .gguf, byteCount: bytes,
        actual: SizeChart.Measured(divergence.value, divergence.interval95),
        title:
          "\(model.label): \(Figures.bytes(bytes)), \(Figures.divergence(divergence.value)) nats per token")
    }
  }

  /// The figure as HTML, one for wide screens and one for narrow ones.
  var html: String {
    let heading = "SVG-KLD, nats per token (logarithmic)"
    guard SizeChart(points, .wide).placedCount > 1 else { return "" }
    let label = "SVG-KLD against the size of the model; the summary has the numbers."
    return [("wide", SizeChart.Size.wide), ("narrow", .narrow)].map { name, size in
      "<figure class=\"sizes \(name)\">\(SizeChart(points, size, heading: heading).svg(label: label))</figure>"
    }.joined()
  }
}
