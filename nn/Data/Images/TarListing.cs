using System.Formats.Tar;
using System.Globalization;
using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.NN.Data;

/// <summary>An image within a tar.</summary>
/// <param name="Name">Of the member.</param>
/// <param name="Offset">First byte in the tar.</param>
/// <param name="Length">Bytes.</param>
internal sealed record TarImage(string Name, long Offset, long Length);

/// <summary>What matters of one tar.</summary>
/// <param name="Images">Its images, in their order.</param>
/// <param name="Numbers">Classes by key, from the members <c>KEY.cls</c>.</param>
/// <param name="Folders">Members that are class folders of the split, with or without images; none where there is no split.</param>
internal sealed record TarListing(List<TarImage> Images, Dictionary<string, int> Numbers, List<string> Folders)
{
    private const int Block = 512;

    /// <summary>Reads the members' headers; of a remote tar only where its present content was not listed before.</summary>
    /// <param name="tar">Its path.</param>
    /// <param name="split">Only members in folders of a folder of this name; null: all.</param>
    /// <param name="remote">Holds it, where no disk of this machine does.</param>
    /// <exception cref="LatheException">The tar cannot be read or is damaged, or has a member twice.</exception>
    public static TarListing Of(string tar, string? split, IRemoteFiles? remote)
    {
        if (remote is null)
            return Read(tar, split, () => File.OpenRead(tar));
        // The version changes when another reader could list other members.
        var about = $"members-2-{split}";
        if (remote.Recall(tar, about) is { } noted && Parse(noted) is { } known)
            return known;
        var listing = Read(tar, split, () => new RemoteStream(remote, tar));
        remote.Note(tar, about, JsonSerializer.Serialize(listing, LatheJson.Options));
        return listing;
    }

    private static TarListing? Parse(string noted)
    {
        try
        {
            return JsonSerializer.Deserialize<TarListing>(noted, LatheJson.Options) is { Images: not null, Numbers: not null, Folders: not null } listing ? listing : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static TarListing Read(string tar, string? split, Func<Stream> open)
    {
        var listing = new TarListing([], [], []);
        var known = new Dictionary<string, string>();
        try
        {
            using var file = open();
            if (file.Length == 0) throw new InvalidDataException("it is empty");
            var end = 0L;
            using var reader = new TarReader(file);
            while (reader.GetNextEntry() is { } entry)
            {
                if (entry.EntryType == TarEntryType.Directory && IsClassFolder(entry.Name, split))
                    listing.Folders.Add(entry.Name.TrimEnd('/'));
                if (entry.EntryType is not (TarEntryType.RegularFile or TarEntryType.V7RegularFile) || !IsOf(entry.Name, split))
                    continue;
                var isImage = ImageSetFiles.IsShardImage(Path.GetFileName(entry.Name.AsSpan()));
                var isNumber = entry.Name.EndsWith(".cls", StringComparison.Ordinal);
                if (isImage || isNumber)
                    RefuseTwice(tar, entry.Name, known);
                if (isImage)
                    listing.Images.Add(new TarImage(entry.Name, entry.DataOffset, entry.Length));
                else if (isNumber)
                    listing.Numbers.Add(ImagePlace.Key(entry.Name).ToString(), ReadNumber(entry, tar));
                if (entry.DataOffset + entry.Length > file.Length)
                    throw new InvalidDataException($"it ends within {entry.Name}");
                end = Math.Max(end, entry.DataOffset + entry.Length);
            }

            // A tar that was cut between two members reads like a shorter one, but for the block of zeros that ends every tar.
            if (file.Length < RoundedUp(end) + Block) throw new InvalidDataException("it ends without the mark of a tar's end, so members are missing");

            return listing;
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException or FormatException)
        {
            throw new LatheException($"{tar} is damaged: {e.Message.TrimEnd('.')}. Get the file again from where the data set is published.", FailureKind.Permanent, e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LatheException($"{tar} cannot be read: {e.Message}", FailureKind.Transient, e);
        }
    }

    private static long RoundedUp(long length) => (length + Block - 1) / Block * Block;

    private static int ReadNumber(TarEntry entry, string tar)
    {
        // The tar reader continues from this position of the stream.
        using var reader = new StreamReader(entry.DataStream ?? Stream.Null, leaveOpen: true);
        var text = entry.Length <= 20 ? reader.ReadToEnd().Trim() : "";
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number < 1_000_000
            ? number
            : throw new LatheException($"{tar}:{entry.Name} is '{text}'; expected the number of a class, from 0.");
    }

    /// <summary>Which of two images of one key is meant, or which of two classes, nobody can tell; unpacking would keep the last alone.</summary>
    private static void RefuseTwice(string tar, string member, Dictionary<string, string> known)
    {
        var key = ImagePlace.Key(member);
        var ending = member[key.Length..];
        var name = $"{(key.StartsWith("./") ? key[2..] : key)}{ending.ToLowerInvariant()}";
        if (known.TryAdd(name, member))
            return;
        throw new LatheException(
            $"{tar}:{member} has the key and the ending of {(known[name] == member ? "a member before it" : known[name])}. Expected each {ending} of a key once. "
            + "Leave one of the two out, or give it another key, and pack the tar again.");
    }

    private static bool IsClassFolder(string member, string? split) =>
        split is not null && member.TrimEnd('/').Split('/') is [.., _, not (['.', ..] or "")] parts && parts[^2] == split;

    private static bool IsOf(string member, string? split) => split is null || (member.Split('/') is [.., _, _, _] parts && parts[^3] == split);
}
