import FileBytes
import Foundation
import TestSupport
import Testing

/// Who works on what, beyond one machine.
@Suite("Parts and owners")
struct RunOwnerTests {
  let folder: TemporaryFolder
  private let timing = RunOwner.Timing(beat: 0.05, patience: 0.6)

  init() throws { folder = try TemporaryFolder() }

  @Test("parts are read as they are typed")
  func parts() throws {
    let part = try #require(RunPart("2/4"))
    #expect(part.number == 2 && part.count == 4 && part.index == 1 && "\(part)" == "2/4")
    for text in [
      "5/4", "0/4", "x/y", "", "/", "1", "1/", "/2", "1/2/3", "-1/2", "+1/2", "1/0", "1 /2", "1/10001",
      "99999999999999999999/2",
    ] {
      #expect(RunPart(text) == nil, "\(text)")
    }
    #expect(RunPart.all(of: 3).map(\.number) == [1, 2, 3])
  }

  @Test("files of parts are found beside the whole one's, others are not")
  func found() throws {
    for name in [
      "a.gguf.part-2-of-10.journal", "a.gguf.part-10-of-10.journal", "a.gguf.part-11-of-10.journal",
      "a.gguf.part-x-of-y.journal", "a.gguf.part-1-of-2.journal.owner", "b.gguf.part-1-of-2.journal",
      "a.gguf.part-01-of-10.journal",
    ] {
      _ = try folder.write(name, [UInt8]())
    }
    #expect(
      RunPart.found(beside: folder.path("a.gguf"), ending: ".journal").map(\.description)
        == ["2/10", "10/10"])
  }

  @Test("an owner is alone until it lets go")
  func alone() throws {
    let path = folder.path("owner")
    let first = try #require(try RunOwner(path: path, holdsLock: false, timing: timing))
    #expect(RunOwner.Line(path: path)?.process == ProcessInfo.processInfo.processIdentifier)
    #expect(try RunOwner(path: path, holdsLock: false, timing: timing) == nil)
    #expect(!first.isLost)
    first.release()
    #expect(!FileSystem.isFile(path))
    #expect(try RunOwner(path: path, holdsLock: false, timing: timing) != nil)
  }

  private func write(_ line: RunOwner.Line, to path: String) throws {
    try Data(line.bytes).write(to: URL(fileURLWithPath: path))
  }

  @Test("an owner on this machine is dead when its lock or its process is gone, at once")
  func deadHere() throws {
    let path = folder.path("owner")
    let patient = RunOwner.Timing(beat: 0.05, patience: 30)
    let start = Date()
    try write(.init(host: "here", process: 1, boot: RunOwner.boot, mark: 7), to: path)
    #expect(try RunOwner(path: path, holdsLock: true, timing: patient) != nil)
    // No process has the largest number.
    try write(.init(host: "here", process: .max, boot: RunOwner.boot, mark: 7), to: path)
    #expect(try RunOwner(path: path, holdsLock: false, timing: patient) != nil)
    #expect(Date().timeIntervalSince(start) < 20)
  }

  @Test("an owner elsewhere is dead when it has not counted for long, a lock here or not")
  func deadElsewhere() throws {
    for holdsLock in [false, true] {
      let path = folder.path("owner-\(holdsLock)")
      try write(.init(host: "there", process: 5, boot: "another", mark: 7, count: 3), to: path)
      var waits: [String] = []
      let owner = try RunOwner(path: path, holdsLock: holdsLock, timing: timing) { waits.append($0) }
      #expect(waits == ["process 5 on there"])
      #expect(owner != nil && RunOwner.Line(path: path)?.mark != 7)
    }
  }

  @Test("an owner elsewhere that counts lives")
  func livesElsewhere() throws {
    let path = folder.path("owner")
    try write(.init(host: "there", process: 5, boot: "another", mark: 7), to: path)
    Thread.detachNewThread {
      usleep(200_000)
      try? write(.init(host: "there", process: 5, boot: "another", mark: 7, count: 1), to: path)
    }
    #expect(try RunOwner(path: path, holdsLock: true, timing: timing) == nil)
    // The other thread may be in the middle of its writing.
    let end = Date(timeIntervalSinceNow: 10)
    while RunOwner.Line(path: path)?.count != 1, Date() < end { usleep(1000) }
    #expect(RunOwner.Line(path: path)?.mark == 7)
  }

  @Test("an owner that was taken for dead notices it, and leaves the other's file alone")
  func lost() throws {
    let path = folder.path("owner")
    let owner = try #require(try RunOwner(path: path, holdsLock: false, timing: timing))
    try write(.init(host: "there", process: 5, boot: "another", mark: 7), to: path)
    let end = Date(timeIntervalSinceNow: 10)
    while !owner.isLost, Date() < end { usleep(10_000) }
    #expect(owner.isLost)
    owner.release()
    #expect(RunOwner.Line(path: path)?.mark == 7)
  }

  @Test("files that no owner wrote are no owners, and die")
  func damaged() throws {
    for text in ["", "x", "a b c d e f\n", "a 1 b zz 0 \n", String(repeating: "a ", count: 4000)] {
      let path = folder.path("owner")
      try Data(text.utf8).write(to: URL(fileURLWithPath: path))
      #expect(RunOwner.Line(path: path) == nil)
      #expect(try RunOwner(path: path, holdsLock: true, timing: timing) != nil)
    }
  }
}
