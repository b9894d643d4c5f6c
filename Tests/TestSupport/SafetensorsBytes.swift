/// Builds safetensors files from JSON text, right or wrong, without the code under test.
public enum SafetensorsBytes {
  /// A file: the length of `json` (or a false one), `json`, and `dataByteCount` bytes of data.
  public static func file(_ json: String, dataByteCount: Int = 0, claimedLength: UInt64? = nil) -> [UInt8] {
    file(Array(json.utf8), dataByteCount: dataByteCount, claimedLength: claimedLength)
  }

  /// A file with a header of any bytes.
  public static func file(_ header: [UInt8], dataByteCount: Int = 0, claimedLength: UInt64? = nil) -> [UInt8]
  {
    let length = claimedLength ?? UInt64(header.count)
    var bytes = withUnsafeBytes(of: length.littleEndian) { Array($0) }
    bytes.append(contentsOf: header)
    for index in 0..<dataByteCount { bytes.append(UInt8(truncatingIfNeeded: index)) }
    return bytes
  }

  /// The JSON of one tensor, with its name in quotes.
  public static func tensor(
    _ name: String, _ type: String = "F32", shape: String = "[1]", offsets: String = "[0,4]"
  ) -> String {
    "\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":\(offsets)}"
  }
}
