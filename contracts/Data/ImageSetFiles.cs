namespace Lathe.Contracts;

/// <summary>Layout of a data set's images on disk.</summary>
public enum ImageSetForm
{
    /// <summary><c>train/CLASS/*</c> and <c>val/CLASS/*</c>.</summary>
    Folders,

    /// <summary><c>train*.tar</c> and <c>val*.tar</c> in one folder.</summary>
    Shards,

    /// <summary>One tar that holds <c>train/CLASS/*</c> and <c>val/CLASS/*</c>.</summary>
    Archive,

    /// <summary>Arrays of NumPy: images and labels of each split.</summary>
    Tensors,
}

/// <summary>The files of a data set of images that has a name of its own, such as ImageNet.</summary>
/// <param name="Root">Folder that the other paths are relative to.</param>
/// <param name="Form">Layout of the images there.</param>
/// <param name="Train">The folder <c>train</c>, or tars in ordinal order.</param>
/// <param name="Validation">The folder <c>val</c>, or tars in ordinal order.</param>
/// <param name="Remote">Holds the tars if no local folder does; otherwise null.</param>
public sealed record ImageSetFiles(
    string Root, ImageSetForm Form, IReadOnlyList<string> Train, IReadOnlyList<string> Validation, IRemoteFiles? Remote = null)
{
    private static readonly string[] Endings = [".jpg", ".jpeg", ".png", ".webp", ".bmp"];
    private static readonly string[] ShardEndings = [".jpg", ".jpeg", ".png"];
    private static readonly string[] OtherEndings = [".tif", ".tiff", ".gif", ".heic", ".heif", ".avif", ".jp2", ".ppm", ".pgm"];

    // What people call the images that are tested on.
    private static readonly string[] ValidationFolders = ["val", "valid", "validation", "test"];

    private static readonly string[] TrainTensors = ["train_images.npy", "train_labels.npy"];
    private static readonly string[] TestTensors = ["test_images.npy", "test_labels.npy"];

    /// <summary>Expected layouts, for messages.</summary>
    public const string Expected = "the folders train/ and val/ (or valid/, validation/ or test/) with a folder per class, shards train*.tar and val*.tar, one tar with folders train/ and val/, or the arrays "
        + "train_images.npy, train_labels.npy, test_images.npy and test_labels.npy";

    /// <summary>Finds a data set in a folder that is its own, that holds its own, or that holds its tar.</summary>
    /// <param name="name">Name of the data set, of letters, digits, <c>.</c>, <c>_</c> and <c>-</c>.</param>
    /// <param name="folder">Where to look: first in its folder <paramref name="name"/>, then in itself, then for <c>NAME.tar</c>.</param>
    /// <returns>Null if there is none, or if the name cannot be a folder name.</returns>
    public static ImageSetFiles? Find(string name, string folder)
    {
        if (!IsName(name))
            return null;
        var archive = $"{name}.tar";
        return In(Path.Combine(folder, name))
            ?? In(folder)
            ?? (File.Exists(Path.Combine(folder, archive)) ? new ImageSetFiles(folder, ImageSetForm.Archive, [archive], [archive]) : null);
    }

    /// <summary>Whether a file is an image by its name: .jpg, .jpeg, .png, .webp or .bmp in any case, and not hidden.</summary>
    public static bool IsImage(ReadOnlySpan<char> fileName) => Ends(fileName, Endings);

    /// <summary>The same of a shard's member: .jpg, .jpeg or .png. A shard's fingerprint does not tell which of its members are read, so the list stays as it is.</summary>
    public static bool IsShardImage(ReadOnlySpan<char> fileName) => Ends(fileName, ShardEndings);

    /// <summary>Whether a file is an image, by its name, of a format that is not read.</summary>
    public static bool IsOtherImage(ReadOnlySpan<char> fileName) => Ends(fileName, OtherEndings);

    private static bool Ends(ReadOnlySpan<char> fileName, string[] endings)
    {
        if (fileName.StartsWith('.'))
            return false;
        foreach (var ending in endings)
        {
            if (fileName.EndsWith(ending, StringComparison.OrdinalIgnoreCase))
                return true;
        }

        return false;
    }

    /// <summary>Every file that matters, relative to <see cref="Root"/> with <c>/</c> between, in ordinal order.</summary>
    public IReadOnlyList<string> All()
    {
        if (Form != ImageSetForm.Folders)
            return [.. Train.Union(Validation).Order(StringComparer.Ordinal)];
        var paths =
            from split in Train.Concat(Validation)
            from folder in Directory.EnumerateDirectories(Path.Combine(Root, split))
            where !Path.GetFileName(folder.AsSpan()).StartsWith('.')
            from file in Directory.EnumerateFiles(folder)
            where IsImage(Path.GetFileName(file.AsSpan()))
            select $"{split}/{Path.GetFileName(folder)}/{Path.GetFileName(file)}";
        return [.. paths.Order(StringComparer.Ordinal)];
    }

    private static ImageSetFiles? In(string folder)
    {
        if (!Directory.Exists(folder))
            return null;
        if (Directory.Exists(Path.Combine(folder, "train")) && ValidationFolders.FirstOrDefault(name => Directory.Exists(Path.Combine(folder, name))) is { } tested)
            return new ImageSetFiles(folder, ImageSetForm.Folders, ["train"], [tested]);
        if (TrainTensors.Concat(TestTensors).All(file => File.Exists(Path.Combine(folder, file))))
            return new ImageSetFiles(folder, ImageSetForm.Tensors, TrainTensors, TestTensors);
        var (train, validation) = (Shards(folder, "train"), Shards(folder, "val"));
        return train.Count > 0 && validation.Count > 0 ? new ImageSetFiles(folder, ImageSetForm.Shards, train, validation) : null;
    }

    private static List<string> Shards(string folder, string prefix) =>
        [.. Directory.EnumerateFiles(folder, $"{prefix}*.tar").Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    /// <summary>Whether a data set may have this name: letters, digits, <c>.</c>, <c>_</c> and <c>-</c>, at most 200, no <c>.</c> first.</summary>
    public static bool IsName(string name) =>
        name.Length is > 0 and <= 200 && name[0] != '.' && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');
}
