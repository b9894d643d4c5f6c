// What the signatures of this module are made of; one import is enough to use them.
@_exported public import enum TensorTypes.ElementType
@_exported public import struct TensorTypes.GroupFormat
@_exported public import enum TensorTypes.TensorType
