using System.Buffers.Binary;
using System.Runtime.Intrinsics.X86;
using System.Text;

namespace Lathe.NN.Runtime;

/// <summary>Answer of the CPUID instruction.</summary>
internal readonly record struct CpuIdAnswer(uint Eax, uint Ebx, uint Ecx, uint Edx);

/// <summary>
/// Whether the processor reports the caches that oneDNN sizes its blocks by. Some virtual machines answer with zeros. oneDNN then takes
/// caches of one byte, leaves the padding of blocked tensors uninitialised and computes wrong sums, or divides by zero.
/// </summary>
internal static class ProcessorCaches
{
    private const uint DeterministicCacheLeaf = 4;
    private const uint AmdCacheLeaf = 0x8000_001D;
    private const uint FirstExtendedLeaf = 0x8000_0000;
    private const uint MostSubleaves = 8;
    private const int DataCache = 1;
    private const int UnifiedCache = 3;

    // oneDNN was right with the third level hidden, and wrong with the first two.
    private static readonly int[] Needed = [1, 2];

    /// <summary>True where this processor hides its first or second level of data cache. False on processors that are not x86.</summary>
    public static bool AreHidden() => X86Base.IsSupported && AreHidden((leaf, subleaf) =>
    {
        var (eax, ebx, ecx, edx) = X86Base.CpuId(unchecked((int)leaf), (int)subleaf);
        return new CpuIdAnswer((uint)eax, (uint)ebx, (uint)ecx, (uint)edx);
    });

    /// <summary>The same for a processor of one's own.</summary>
    /// <param name="cpuId">CPUID: leaf and subleaf to registers.</param>
    internal static bool AreHidden(Func<uint, uint, CpuIdAnswer> cpuId)
    {
        // oneDNN asks AMD's processors by AMD's leaf, even those that have none, and all others by Intel's.
        var isAmd = Vendor(cpuId) is "AuthenticAMD" or "HygonGenuine";
        var leaf = isAmd ? AmdCacheLeaf : DeterministicCacheLeaf;
        var last = isAmd ? cpuId(FirstExtendedLeaf, 0).Eax : cpuId(0, 0).Eax;
        if (last < leaf)
            return true;
        var levels = DataCacheLevels(cpuId, leaf).ToHashSet();
        return !Needed.All(levels.Contains);
    }

    private static IEnumerable<int> DataCacheLevels(Func<uint, uint, CpuIdAnswer> cpuId, uint leaf)
    {
        for (uint subleaf = 0; subleaf < MostSubleaves; subleaf++)
        {
            // Both vendors' leaves: type in bits 0 to 4 of EAX (0: no more caches), level in bits 5 to 7.
            var eax = cpuId(leaf, subleaf).Eax;
            var type = (int)(eax & 0x1F);
            if (type == 0)
                yield break;
            if (type is DataCache or UnifiedCache)
                yield return (int)((eax >> 5) & 7);
        }
    }

    private static string Vendor(Func<uint, uint, CpuIdAnswer> cpuId)
    {
        var answer = cpuId(0, 0);
        var name = new byte[12];
        BinaryPrimitives.WriteUInt32LittleEndian(name, answer.Ebx);
        BinaryPrimitives.WriteUInt32LittleEndian(name.AsSpan(4), answer.Edx);
        BinaryPrimitives.WriteUInt32LittleEndian(name.AsSpan(8), answer.Ecx);
        return Encoding.ASCII.GetString(name);
    }
}
