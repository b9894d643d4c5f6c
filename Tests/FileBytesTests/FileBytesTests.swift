import Dispatch
import FileBytes
import Synchronization
import TestSupport
import Testing

@Suite struct XXHash64Tests {
  /// Vectors of the reference implementation (seed 0).
  @Test(
    arguments: [
      ("", 0xEF46_DB37_51D8_E999),
      ("a", 0xD24E_C4F1_A98C_6E5B),
      ("abc", 0x44BC_2CF5_AD77_0999),
      ("Nobody inspects the spammish repetition", 0xFBCE_A83C_8A37_8BF1),
    ] as [(String, UInt64)])
  func knownAnswers(text: String, expected: UInt64) {
    var copy = text
    let hash = copy.withUTF8 { XXHash64.hash(UnsafeRawBufferPointer($0)) }
    #expect(hash == expected)
  }

  @Test("bytes as hexadecimal digits")
  func hexadecimal() {
    #expect([0, 10, 255].hexadecimal() == "000aff")
    #expect([0, 10, 255].hexadecimal(uppercase: true, separator: " ") == "00 0A FF")
  }
}

@Suite struct SharedDescriptorTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test("more files than the pool keeps open are read and written, by several threads")
  func manyFiles() throws {
    let count = 400
    let files = try (0..<count).map { index in
      try WritableFile(path: folder.path("\(index)"), mode: .truncate)
    }
    for (index, file) in files.enumerated() {
      try [UInt8(truncatingIfNeeded: index), 7].withUnsafeBytes { try file.write($0, at: 0) }
    }
    let readers = try (0..<count).map { try ReadableFile(path: folder.path("\($0)")) }
    let wrong = Atomic<Int>(0)
    DispatchQueue.concurrentPerform(iterations: 4) { thread in
      for step in 0..<(3 * count) {
        let index = (step * 37 + thread * 101) % count
        let found = try? readers[index].bytes(at: 0, count: 2)
        if found != [UInt8(truncatingIfNeeded: index), 7] { wrong.wrappingAdd(1, ordering: .relaxed) }
      }
    }
    #expect(wrong.load(ordering: .relaxed) == 0)
    #expect(files.allSatisfy { $0.currentByteCount() == 2 })
  }

  @Test("a file that was replaced while its descriptor was lent is refused, not read")
  func replaced() throws {
    let path = try folder.write("a", [1, 2, 3])
    let file = try ReadableFile(path: path)
    let others = try (0..<600).map { index in
      try ReadableFile(path: try folder.write("other-\(index)", [UInt8(truncatingIfNeeded: index)]))
    }
    try FileSystem.rename(try folder.write("b", [4, 5, 6]), to: path)
    // Reading all others has closed the first one.
    for other in others { _ = try other.bytes(at: 0, count: 1) }
    let error = #expect(throws: FileError.self) { try file.bytes(at: 0, count: 3) }
    #expect(error?.code == .cannotRead)
    #expect(error?.fault.found.contains("another one") == true)
  }

  @Test("a lock is kept while other files take descriptors")
  func lock() throws {
    let path = folder.path("journal")
    let file = try WritableFile(path: path, mode: .keep)
    #expect(file.tryLock())
    let others = try (0..<600).map { try WritableFile(path: folder.path("x\($0)"), mode: .truncate) }
    #expect(try !WritableFile(path: path, mode: .keep).tryLock())
    #expect(others.count == 600)
  }
}
