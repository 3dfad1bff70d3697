using System.Diagnostics;
using Lathe.Contracts;
using Lathe.NN.Data;

namespace Lathe.NN.Tests.Fuzzing;

/// <summary>
/// Gives a reader hostile files. Each must be read or refused in words that name the file, in little time and, beyond what the file's own
/// length explains, little memory.
/// </summary>
/// <param name="name">What messages must contain.</param>
/// <param name="bytesOfByte">Most bytes of managed memory for one byte of the file.</param>
internal sealed class Fuzz(string name, int bytesOfByte = 64)
{
    /// <summary>Memory that every file may take.</summary>
    private const long Spare = 4 << 20;

    // Most take milliseconds; a machine that is busy elsewhere is no fault of the reader's.
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);

    public int Tried { get; private set; }

    public int Refused { get; private set; }

    /// <summary>Reads one file.</summary>
    /// <param name="length">Its length in bytes.</param>
    /// <param name="read">Reads it to the end.</param>
    /// <returns>Why it was refused; null where it was read.</returns>
    public string? Try(long length, Action read)
    {
        Tried++;
        var before = GC.GetAllocatedBytesForCurrentThread();
        var began = Stopwatch.GetTimestamp();
        string? refused = null;
        try
        {
            read();
        }
        catch (LatheException fault)
        {
            refused = fault.Message;
        }
        catch (DamagedImageException fault)
        {
            // Whoever reads the image puts its name in front.
            refused = $"{name}: {fault.Message}";
        }

        Assert.True(Stopwatch.GetElapsedTime(began) < Longest, $"input {Tried}: {Stopwatch.GetElapsedTime(began)}");
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, Spare + (bytesOfByte * length));
        if (refused is null) return null;
        Refused++;
        Assert.Contains(name, refused);
        Assert.InRange(refused.Length, name.Length + 5, 60_000);
        return refused;
    }

    /// <summary>A few bytes changed, flipped, filled, moved, put in or taken out; or the end cut off.</summary>
    public static byte[] Damaged(byte[] sound, Random random)
    {
        var bytes = new List<byte>(sound);
        for (var changes = random.Next(1, 6); changes > 0 && bytes.Count > 8; changes--)
        {
            // Half of them at the start, where formats have their structure.
            var at = random.Next(2) == 0 ? random.Next(Math.Min(bytes.Count, 200)) : random.Next(bytes.Count);
            var length = Math.Min(bytes.Count - at, random.Next(1, 17));
            switch (random.Next(8))
            {
                case 0: bytes[at] = (byte)random.Next(256); break;
                case 1: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                case 2: Fill(at, length, 0xff); break;
                case 3: Fill(at, length, 0); break;
                case 4: bytes.InsertRange(at, bytes.GetRange(random.Next(bytes.Count - length + 1), length)); break;
                case 5: bytes.RemoveRange(at, length); break;
                case 6: bytes.InsertRange(at, Enumerable.Repeat((byte)random.Next(256), length)); break;
                default:
                    if (random.Next(4) == 0) bytes.RemoveRange(at, bytes.Count - at);
                    break;
            }
        }

        return [.. bytes];

        void Fill(int from, int count, byte with)
        {
            for (var i = from; i < from + count; i++) bytes[i] = with;
        }
    }

    /// <summary>Whole numbers that break what believes them.</summary>
    public static long Hostile(Random random) => random.Next(12) switch
    {
        0 => 0,
        1 => -1,
        2 => 1,
        3 => int.MaxValue,
        4 => int.MinValue,
        5 => long.MaxValue,
        6 => long.MinValue,
        7 => 1L << 31,
        8 => 1L << 32,
        9 => 65_536,
        10 => random.Next(100),
        _ => random.NextInt64(),
    };
}
