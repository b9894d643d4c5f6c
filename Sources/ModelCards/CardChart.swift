internal import ModelEvaluation
internal import ReportPages

/// Size against divergence of the files of a card.
struct CardChart {
  /// The file beside the card.
  static let name = "card/size-divergence.svg"

  private let chart: SizeChart

  init(_ files: [CardFile]) {
    let points = files.compactMap { file -> SizeChart.Point? in
      guard let divergence = file.loss?.meanDivergence else { return nil }
      return SizeChart.Point(
        name: file.label, kind: file.format == "MLX" ? .mlx : .gguf, byteCount: file.bytes,
        actual: SizeChart.Measured(divergence.value, divergence.interval95),
        title:
          "\(file.name): \(Figures.bytes(file.bytes)), \(Figures.divergence(divergence.value)) nats per token"
      )
    }
    chart = SizeChart(points, .picture, heading: "mean KL divergence, nats per token (logarithmic)")
  }

  /// Whether there are two points or more.
  var isWorthDrawing: Bool { chart.placedCount > 1 }

  /// The file.
  var svg: String {
    chart.document(
      title: "Mean KL divergence from the base against the size of the file; the table has the numbers.")
  }
}

extension CardFile {
  /// A short name: the type, and `MLX` where it is one.
  var label: String { format == "MLX" ? "MLX \(type.split(separator: ",")[0])" : type }
}
