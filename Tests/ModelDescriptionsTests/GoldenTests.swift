import ModelDescriptions
import TensorTypes
import TestSupport
import Testing

@Suite("Recorded conversions")
struct GoldenTests {
  @Test("Every family has a recording")
  func coverage() {
    #expect(GoldenCase.all.count >= 36)
  }

  @Test("Metadata has the keys, order, types and values of the reference", arguments: GoldenCase.all)
  func metadata(_ golden: GoldenCase) throws {
    let temporary = try TemporaryFolder()
    let expected = try golden.lines("gguf.txt").filter { !$0.hasPrefix("tensor ") }
    let fileType: UInt32 = try #require(
      expected.first { $0.hasPrefix("general.file_type") }?.split(separator: " ").last.flatMap { UInt32($0) })
    let metadata = try CheckpointMetadata(
      folder: try golden.checkpointFolder(in: temporary), config: try golden.config(), map: try golden.map(),
      options: .init(fileType: fileType))
    // What llama.cpp's converter forgets, and its loader reads.
    let added = metadata.entries.filter { golden.addedKeys.contains($0.key) }
    #expect(added.count == golden.addedKeys.count)
    let found = metadata.entries.filter { !golden.addedKeys.contains($0.key) }.map(GoldenText.line)
    for (index, (a, b)) in zip(found, expected).enumerated() {
      try #require(a == b, "entry \(index)")
    }
    #expect(found.count == expected.count)
    #expect(metadata.tokenCount == (try golden.config().optionalInteger("vocab_size")))
  }

  @Test("Tensors have the names, order, shapes and storage of the reference", arguments: GoldenCase.all)
  func tensors(_ golden: GoldenCase) throws {
    let lines = try golden.lines("gguf.txt")
    let expected = lines.filter { $0.hasPrefix("tensor ") }
    let fileType = lines.first { $0.hasPrefix("general.file_type") }?.split(separator: " ").last ?? ""
    let requested: TensorType = ["0": .f32, "1": .f16, "32": .bf16][fileType] ?? .i8
    // The recordings were made with the type chosen by the reference.
    #expect(try golden.map().automaticType == requested)
    let found = try golden.map().outputs.map { output -> String in
      let type = output.storage == .alwaysF32 ? TensorType.f32 : requested
      return
        "tensor \(output.name) \(type.rawValue) \(output.ggmlShape.map(String.init).joined(separator: "x"))"
    }
    for (index, (a, b)) in zip(found, expected).enumerated() { try #require(a == b, "tensor \(index)") }
    #expect(found.count == expected.count)
  }

  @Test("Feeds cover every output row once and stay inside their sources", arguments: GoldenCase.all)
  func feeds(_ golden: GoldenCase) throws {
    let sources = try golden.sources()
    let map = try golden.map()
    // Values, of which packed codes have several in a word.
    let counts = sources.enumerated().map { index, source in
      map.encoding(of: index, source).valueCount(of: source.shape.reduce(1, *), source.elementType)
    }
    var used: [Int: Int] = [:]
    for output in map.outputs {
      guard case .feed(let feed) = output.content else { continue }
      let rowLength = try #require(output.ggmlShape.first)
      #expect(feed.runs.reduce(0) { $0 + $1.rowCount } == output.ggmlShape.dropFirst().reduce(1, *))
      if case .blocks(let width, let order) = feed.columns {
        #expect(width * order.count == rowLength)
        #expect(order.sorted() == Array(0..<order.count))
      }
      for run in feed.runs {
        let elements = counts[run.source]
        if case .columns(let first, let stride, let step) = run.order {
          let span = RowRun.span(run.rowCount, step: step)
          let last = first + (rowLength - 1) * stride + span - 1
          #expect(first >= 0 && span <= stride && last < elements, "\(output.name)")
        } else {
          #expect(
            run.firstRow >= 0 && (run.firstRow + run.rowCount) * rowLength <= elements, "\(output.name)")
        }
        used[run.source, default: 0] += run.rowCount * rowLength
      }
    }
    for (index, source) in sources.enumerated() where used[index] != nil {
      #expect(used[index] == counts[index], "\(source.name)")
    }
  }
}
