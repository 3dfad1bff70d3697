using System;
using System.IO;
using System.Text;

namespace Lathe.Build;

/// <summary>
/// Marks one symbol version that an ELF library needs as weak (VER_FLG_WEAK), so that the dynamic linker accepts an older
/// library that lacks the version. It refuses where a relocation uses a symbol of that version: such a library would load and
/// then fail. Layout: System V ABI, "Object Files"; Linux Standard Base, "Symbol Versioning".
/// </summary>
public static class WeakVersionNeed
{
    private const int SectionTypeRela = 4;
    private const int SectionTypeDynSym = 11;
    private const int SectionTypeVerNeed = 0x6ffffffe;
    private const int SectionTypeVerSym = 0x6fffffff;
    private const ushort FlagWeak = 2;

    /// <summary>Sets the mark in place.</summary>
    /// <param name="elf">The whole library: 64-bit, little-endian.</param>
    /// <param name="library">Needed library, for example <c>libstdc++.so.6</c>.</param>
    /// <param name="version">Version of it, for example <c>GLIBCXX_3.4.32</c>.</param>
    /// <returns>True if a byte changed; false if the version is not needed, or already only weakly.</returns>
    /// <exception cref="InvalidDataException">Not such a library, damaged, or the version is truly used.</exception>
    public static bool Mark(byte[] elf, string library, string version)
    {
        if (elf.Length < 64 || elf[0] != 0x7f || elf[1] != 'E' || elf[2] != 'L' || elf[3] != 'F')
            throw new InvalidDataException("not an ELF file");
        if (elf[4] != 2 || elf[5] != 1)
            throw new InvalidDataException("not a 64-bit little-endian ELF file");

        var sections = ReadSections(elf);
        var needs = Array.Find(sections, s => s.Type == SectionTypeVerNeed);
        if (needs == null)
            return false;
        var strings = sections[needs.Link];
        var changed = false;

        long need = needs.Offset;
        for (var i = 0; i < needs.Info; i++)
        {
            // Elf64_Verneed: version 2, count 2, file 4, aux 4, next 4.
            var isLibrary = Text(elf, strings, UInt32(elf, need + 4)) == library;
            long aux = need + UInt32(elf, need + 8);
            for (var j = UInt16(elf, need + 2); isLibrary && j > 0; j--)
            {
                // Elf64_Vernaux: hash 4, flags 2, other 2, name 4, next 4.
                var flags = UInt16(elf, aux + 4);
                if (Text(elf, strings, UInt32(elf, aux + 8)) == version && (flags & FlagWeak) == 0)
                {
                    RefuseIfRelocated(elf, sections, UInt16(elf, aux + 6), version);
                    elf[aux + 4] = (byte)(flags | FlagWeak);
                    changed = true;
                }

                aux += UInt32(elf, aux + 12);
            }

            need += UInt32(elf, need + 12);
        }

        return changed;
    }

    private static void RefuseIfRelocated(byte[] elf, Section[] sections, ushort versionIndex, string version)
    {
        var symbolVersions = Array.Find(sections, s => s.Type == SectionTypeVerSym);
        var symbols = Array.Find(sections, s => s.Type == SectionTypeDynSym);
        if (symbolVersions == null || symbols == null)
            throw new InvalidDataException("the dynamic symbols have no versions");
        foreach (var section in sections)
        {
            if (section.Type != SectionTypeRela || !ReferenceEquals(sections[section.Link], symbols))
                continue;
            for (long at = section.Offset; at < section.Offset + section.Size; at += 24)
            {
                var symbol = UInt32(elf, at + 12);
                if (symbol != 0 && (UInt16(elf, symbolVersions.Offset + (2L * symbol)) & 0x7fff) == versionIndex)
                {
                    var name = Text(elf, sections[symbols.Link], UInt32(elf, symbols.Offset + (24L * symbol)));
                    throw new InvalidDataException("it uses " + name + " of " + version + ", so the need cannot be made weak");
                }
            }
        }
    }

    private static Section[] ReadSections(byte[] elf)
    {
        var start = checked((long)UInt64(elf, 40));
        var size = UInt16(elf, 58);
        var sections = new Section[UInt16(elf, 60)];
        for (var i = 0; i < sections.Length; i++)
        {
            var at = start + ((long)i * size);
            sections[i] = new Section
            {
                Type = unchecked((int)UInt32(elf, at + 4)),
                Offset = checked((long)UInt64(elf, at + 24)),
                Size = checked((long)UInt64(elf, at + 32)),
                Link = checked((int)UInt32(elf, at + 40)),
                Info = checked((int)UInt32(elf, at + 44)),
            };
        }

        foreach (var section in sections)
        {
            if (section.Link >= sections.Length)
                throw new InvalidDataException("a section header points nowhere");
        }

        return sections;
    }

    private static string Text(byte[] elf, Section strings, uint offset)
    {
        Check(elf, strings.Offset + offset, 1);
        var end = Array.IndexOf(elf, (byte)0, checked((int)(strings.Offset + offset)));
        if (end < 0)
            throw new InvalidDataException("a name has no end");
        var start = checked((int)(strings.Offset + offset));
        return Encoding.ASCII.GetString(elf, start, end - start);
    }

    private static ushort UInt16(byte[] elf, long at)
    {
        Check(elf, at, 2);
        return (ushort)(elf[at] | (elf[at + 1] << 8));
    }

    private static uint UInt32(byte[] elf, long at) => UInt16(elf, at) | ((uint)UInt16(elf, at + 2) << 16);

    private static ulong UInt64(byte[] elf, long at) => UInt32(elf, at) | ((ulong)UInt32(elf, at + 4) << 32);

    private static void Check(byte[] elf, long at, int length)
    {
        if (at < 0 || at > elf.Length - length)
            throw new InvalidDataException("it ends before its tables do");
    }

    private sealed class Section
    {
        public int Type;
        public long Offset;
        public long Size;
        public int Link;
        public int Info;
    }
}

#if !WITHOUT_MSBUILD
/// <summary>Build step: writes a copy of a library in which one version need is weak.</summary>
public sealed class CopyWithWeakVersionNeed : Microsoft.Build.Utilities.Task
{
    [Microsoft.Build.Framework.Required]
    public string Source { get; set; }

    [Microsoft.Build.Framework.Required]
    public string Destination { get; set; }

    [Microsoft.Build.Framework.Required]
    public string Library { get; set; }

    [Microsoft.Build.Framework.Required]
    public string Version { get; set; }

    public override bool Execute()
    {
        try
        {
            var elf = File.ReadAllBytes(Source);
            WeakVersionNeed.Mark(elf, Library, Version);
            Directory.CreateDirectory(Path.GetDirectoryName(Destination));
            // Projects build side by side, so each puts a whole file there.
            var aside = Destination + "." + Guid.NewGuid().ToString("N");
            File.WriteAllBytes(aside, elf);
            try
            {
                File.Move(aside, Destination);
            }
            catch (IOException) when (File.Exists(Destination))
            {
                File.Replace(aside, Destination, null);
            }

            return true;
        }
        catch (Exception e) when (e is IOException || e is InvalidDataException || e is UnauthorizedAccessException)
        {
            Log.LogError("Cannot prepare " + Source + " for older systems: " + e.Message);
            return false;
        }
    }
}
#endif
