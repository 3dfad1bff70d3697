using System.Buffers.Binary;

namespace Lathe.NN.Data;

/// <summary>
/// Tells whether a JPEG file was cut off, whichever part of it is decoded: its last scan must be followed by the end-of-image marker.
/// Within compressed data the marker's bytes FF D9 cannot occur (ITU-T T.81, B.1.1.5), so looking for the last pair is enough, as long
/// as it lies behind the headers, whose thumbnail may have one of its own.
/// </summary>
internal static class JpegMarkers
{
    private const byte StartOfImage = 0xD8;
    private const byte EndOfImage = 0xD9;
    private const byte StartOfScan = 0xDA;

    /// <summary>Refuses a JPEG without its end; other formats pass.</summary>
    /// <exception cref="DamagedImageException">The file is empty, or a JPEG that stops before its end.</exception>
    public static void RefuseTruncated(ReadOnlySpan<byte> file)
    {
        if (file.IsEmpty)
            throw new DamagedImageException("it is empty");
        if (file is not [0xFF, StartOfImage, ..])
            return;
        var scan = FirstScan(file);
        if (scan < 0 || file[scan..].LastIndexOf((ReadOnlySpan<byte>)[0xFF, EndOfImage]) < 0)
            throw new DamagedImageException($"it is cut off: no end-of-image marker in its {file.Length} bytes");
    }

    /// <summary>Where the first scan begins, or −1 where the file ends before it.</summary>
    private static int FirstScan(ReadOnlySpan<byte> file)
    {
        for (var at = 2; at + 4 <= file.Length;)
        {
            if (file[at] != 0xFF)
                at++;
            else if (file[at + 1] == StartOfScan)
                return at;
            else if (file[at + 1] is 0xFF or 0x00 or 0x01 or (>= 0xD0 and <= 0xD8))
                at++;
            else
                at += 2 + BinaryPrimitives.ReadUInt16BigEndian(file[(at + 2)..]);
        }

        return -1;
    }
}
