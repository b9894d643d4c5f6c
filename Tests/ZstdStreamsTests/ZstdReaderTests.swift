import FileBytes
import Foundation
import TestSupport
import Testing
import ZstdStreams

/// Bytes that compress, but not to nothing.
private func sample(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  var random = SeededGenerator(seed: seed)
  return (0..<count).map { _ in UInt8(random.next() & 0x0F) }
}

private func readAll(_ reader: ZstdReader, chunk: Int = 1 << 16) throws -> [UInt8] {
  var result: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: chunk)
  while true {
    let got = try buffer.withUnsafeMutableBytes { try reader.read(into: $0) }
    if got == 0 { return result }
    result.append(contentsOf: buffer[..<got])
  }
}

@Suite struct ZstdReaderTests {
  @Test(arguments: [0, 1, 17, 1 << 17, 700_001], [1, 4096, 1 << 17])
  func readsWhatWasCompressed(count: Int, chunk: Int) throws {
    let count = chunk == 1 ? min(count, 5000) : count
    let folder = try TemporaryFolder()
    let content = sample(count)
    let path = try folder.write("a.zst", try ZstdWriter.compress(content))
    let reader = try ZstdReader(path: path)
    #expect(reader.declaredByteCount == count)
    #expect(try readAll(reader, chunk: chunk) == content)
    #expect(reader.position == count)
    #expect(try readAll(reader).isEmpty)
  }

  @Test(arguments: [0, 5, 3_000_000])
  func compressesFiles(count: Int) throws {
    let folder = try TemporaryFolder()
    let content = sample(count)
    let source = try folder.write("a", content)
    try ZstdWriter.compressFile(source, to: folder.path("a.zst"), level: 1)
    let reader = try ZstdReader(path: folder.path("a.zst"))
    #expect(reader.declaredByteCount == count)
    #expect(try readAll(reader) == content)
  }

  @Test func readsSeveralFramesAndSkippableOnes() throws {
    let folder = try TemporaryFolder()
    let skippable: [UInt8] = [0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 9, 9, 9]
    let frames = [sample(100_000, seed: 1), sample(5, seed: 2), [], sample(300_000, seed: 3)]
    let bytes =
      try frames.reduce(into: [UInt8]()) { $0 += try skippable + ZstdWriter.compress($1) } + skippable
    let reader = try ZstdReader(path: folder.write("a.zst", bytes))
    #expect(reader.declaredByteCount == nil)
    #expect(try readAll(reader) == frames.flatMap { $0 })
  }

  @Test func skips() throws {
    let folder = try TemporaryFolder()
    let content = sample(300_000)
    let reader = try ZstdReader(path: folder.write("a.zst", try ZstdWriter.compress(content)))
    try reader.skip(123_456)
    #expect(reader.position == 123_456)
    #expect(try readAll(reader) == Array(content[123_456...]))
    let error = try #require(throws: ZstdError.self) { try reader.skip(1) }
    #expect(error.code == .truncated)
  }

  @Test func fillsBuffersCompletely() throws {
    let folder = try TemporaryFolder()
    let content = sample(200_000)
    let stream: any ByteStream = try ZstdReader(path: folder.write("a.zst", try ZstdWriter.compress(content)))
    var buffer = [UInt8](repeating: 0, count: 250_000)
    #expect(try buffer.withUnsafeMutableBytes { try stream.readFully(into: $0) } == 200_000)
    #expect(Array(buffer.prefix(200_000)) == content)
  }

  @Test func threadsReadDifferentFilesAtOnce() async throws {
    let folder = try TemporaryFolder()
    let paths = try (0..<8).map {
      try folder.write("\($0).zst", try ZstdWriter.compress(sample(200_000, seed: UInt64($0))))
    }
    let correct = try await withThrowingTaskGroup(of: Bool.self) { group in
      for (index, path) in paths.enumerated() {
        group.addTask { try readAll(try ZstdReader(path: path)) == sample(200_000, seed: UInt64(index)) }
      }
      return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
    }
    #expect(correct == 8)
  }
}

@Suite struct HostileZstdTests {
  private func code(_ bytes: [UInt8], maximumWindowLog: Int = 27) throws -> ZstdError.Code {
    let folder = try TemporaryFolder()
    let path = try folder.write("bad.zst", bytes)
    let error = try #require(throws: ZstdError.self) {
      try readAll(try ZstdReader(path: path, maximumWindowLog: maximumWindowLog))
    }
    #expect(error.fault.file == path)
    return error.code
  }

  @Test func refusesAnEmptyFile() throws { #expect(try code([]) == .truncated) }

  @Test func refusesOtherFormats() throws {
    #expect(try code(Array("PK\u{3}\u{4}............".utf8)) == .corrupt)
    #expect(try code([0x1F, 0x8B, 8, 0, 0, 0]) == .corrupt)
  }

  @Test func refusesEveryTruncation() throws {
    let whole = try ZstdWriter.compress(sample(3000))
    for count in 1..<whole.count {
      #expect(try code(Array(whole.prefix(count))) == .truncated, "\(count) bytes")
    }
  }

  @Test func refusesATruncationAfterAWholeFrame() throws {
    let frame = try ZstdWriter.compress(sample(300))
    #expect(try code(frame + frame.dropLast(1)) == .truncated)
  }

  @Test func refusesGarbageAfterAFrame() throws {
    #expect(try code(try ZstdWriter.compress(sample(300)) + Array("garbage!".utf8)) == .corrupt)
  }

  @Test func noticesDamageByChecksum() throws {
    let folder = try TemporaryFolder()
    let source = try folder.write("a", sample(5000))
    try ZstdWriter.compressFile(source, to: folder.path("a.zst"))
    var bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: folder.path("a.zst"))))
    bytes[bytes.count - 1] ^= 1
    #expect(try code(bytes) == .corrupt)
  }

  @Test func refusesLargeWindows() throws {
    // A frame with a window descriptor of 2^28 bytes (exponent 18, mantissa 0) and one raw block of one byte.
    let frame: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 18 << 3, 0x09, 0, 0, 0x41]
    #expect(try code(frame) == .windowTooLarge)
    let folder = try TemporaryFolder()
    let reader = try ZstdReader(path: folder.write("a.zst", frame), maximumWindowLog: 28)
    #expect(try readAll(reader) == [0x41])
  }

  @Test(arguments: [0, 9, 32, -1, Int.max])
  func refusesWindowLimits(limit: Int) throws {
    // Zero means "the default" to the library, so it is accepted.
    let folder = try TemporaryFolder()
    let path = try folder.write("a.zst", try ZstdWriter.compress([1]))
    if limit == 0 {
      #expect(try readAll(ZstdReader(path: path, maximumWindowLog: 0)) == [1])
    } else {
      let error = try #require(throws: ZstdError.self) { try ZstdReader(path: path, maximumWindowLog: limit) }
      #expect(error.code == .badSetting)
    }
  }

  @Test(arguments: [0, 23, -5])
  func refusesLevels(level: Int) throws {
    let error = try #require(throws: ZstdError.self) { try ZstdWriter.compress([1], level: level) }
    #expect(error.code == .badSetting)
  }

  @Test func reportsMissingAndUnwritableFiles() throws {
    let folder = try TemporaryFolder()
    #expect(throws: FileError.self) { try ZstdReader(path: folder.path("absent")) }
    let source = try folder.write("a", [1])
    let error = try #require(throws: ZstdError.self) {
      try ZstdWriter.compressFile(source, to: folder.path("no/where"))
    }
    #expect(error.code == .cannotWrite)
  }

  @Test func survivesMutation() throws {
    let folder = try TemporaryFolder()
    let whole = try ZstdWriter.compress(sample(2000))
    var mutator = HeaderMutator(seed: 7)
    var refused = 0
    for _ in 0..<2000 {
      let path = try folder.write("m.zst", mutator.mutate(whole))
      do {
        let reader = try ZstdReader(path: path)
        var total = 0
        var buffer = [UInt8](repeating: 0, count: 4096)
        while total < 1 << 20,
          case let got = try buffer.withUnsafeMutableBytes({ try reader.read(into: $0) }), got > 0
        {
          total += got
        }
      } catch is ZstdError {
        refused += 1
      }
    }
    #expect(refused > 1000)
  }
}
