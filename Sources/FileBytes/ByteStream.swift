/// Bytes that can only be read forward, such as a compressed file.
///
/// One thread at a time may use a stream; different streams are independent.
public protocol ByteStream: AnyObject {
  /// The file behind the stream, as the user named it.
  var path: String { get }
  /// The total byte count if the container declares one; a claim, not a fact.
  var declaredByteCount: Int? { get }
  /// Reads up to `buffer.count` bytes and returns how many; 0 only at the end (or for an empty buffer).
  ///
  /// - Throws: An error that names the file when the stream is damaged or ends too early.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}

extension ByteStream {
  /// Reads until `buffer` is full or the stream ends, and returns the number of bytes read.
  ///
  /// - Throws: What ``ByteStream/read(into:)`` throws.
  public func readFully(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    var done = 0
    while done < buffer.count {
      let got = try read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[done...]))
      if got == 0 { break }
      done += got
    }
    return done
  }
}
