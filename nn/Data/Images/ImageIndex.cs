using Lathe.Contracts;

namespace Lathe.NN.Data;

/// <summary>Places of all images of a data set, each split by class and then by key.</summary>
/// <param name="Classes">Number of classes.</param>
/// <param name="Train">Training images.</param>
/// <param name="Validation">What the data set calls validation: its test images here.</param>
internal sealed record ImageIndex(int Classes, ImagePlace[] Train, ImagePlace[] Validation)
{
    private const int Listed = 10;

    /// <summary>Lists the images; reads no pixels.</summary>
    /// <exception cref="LatheException">No images, a class without any, an unknown class, a damaged tar, labels that contradict one another.</exception>
    public static ImageIndex Read(ImageSetFiles files)
    {
        var tested = files.Form == ImageSetForm.Folders ? files.Validation[0] : "val";
        var train = Labelled(files, files.Train, "train");
        var validation = Labelled(files, files.Validation, tested);
        if (train.IsEmpty || validation.IsEmpty)
            throw new LatheException($"{files.Root}: there are no images (.jpg, .jpeg, .png, .webp, .bmp) for {(train.IsEmpty ? "train" : tested)}. Expected {ImageSetFiles.Expected}.");
        if (train.HasNumbers != validation.HasNumbers)
            throw new LatheException($"{files.Root}: one of train and val names classes by .cls members and the other by folders. Use one way for both.");
        return train.HasNumbers ? ByNumber(files.Root, train, validation) : ByFolder(train, validation);
    }

    private static LabelledImages Labelled(ImageSetFiles files, IReadOnlyList<string> containers, string split) => files.Form switch
    {
        ImageSetForm.Folders => ClassFolders.Read(System.IO.Path.Combine(files.Root, split)),
        ImageSetForm.Shards => TarMembers.Read(files, containers, null),
        _ => TarMembers.Read(files, containers, split),
    };

    /// <summary>Classes are the training folders, in ordinal order.</summary>
    private static ImageIndex ByFolder(LabelledImages train, LabelledImages validation)
    {
        var labels = train.ByClass.Keys.Order(StringComparer.Ordinal).Select((name, label) => (name, label)).ToDictionary(c => c.name, c => c.label);
        return new ImageIndex(labels.Count, Sorted(train), Sorted(validation));

        ImagePlace[] Sorted(LabelledImages images) => Order(images.ByClass.SelectMany(of => labels.TryGetValue(of.Key, out var label)
            ? of.Value.Select(place => place with { Label = label })
            : throw new LatheException($"{of.Value[0].Path}: class '{of.Key}' has no training images. val/ may have no class that train/ has not.")));
    }

    /// <summary>Classes are the numbers up to the largest one of training.</summary>
    private static ImageIndex ByNumber(string root, LabelledImages train, LabelledImages validation)
    {
        var last = train.Numbered.MaxBy(place => place.Label);
        var classes = last.Label + 1;
        RefuseHoles(root, train, last);
        var unknown = validation.Numbered.FindIndex(place => place.Label >= classes);
        if (unknown >= 0)
            throw new LatheException($"{validation.Numbered[unknown].Path}: its class is {validation.Numbered[unknown].Label}, and training has only classes 0 to {classes - 1}.");
        return new ImageIndex(classes, Order(train.Numbered), Order(validation.Numbered));
    }

    private static void RefuseHoles(string root, LabelledImages train, ImagePlace last)
    {
        var missing = Enumerable.Range(0, last.Label).Except(train.Numbered.Select(place => place.Label)).ToList();
        if (missing.Count == 0)
            return;
        var named = string.Join(", ", missing.Take(Listed)) + (missing.Count > Listed ? $" and {missing.Count - Listed} more" : "");
        throw new LatheException(
            $"{root}: class {named} of the training shards has no image, and {last.Path} is of class {last.Label}. Expected images of every class from 0 to the largest. "
            + "Add the shards that hold them, or number the classes without gaps.");
    }

    private static ImagePlace[] Order(IEnumerable<ImagePlace> places)
    {
        ImagePlace[] sorted = [.. places];
        Array.Sort(sorted, ImagePlace.Compare);
        return sorted;
    }
}

/// <summary>Images with either the name of a class or its number.</summary>
/// <param name="ByClass">Images of each class folder.</param>
/// <param name="Numbered">Images whose class is a number.</param>
internal sealed record LabelledImages(Dictionary<string, List<ImagePlace>> ByClass, List<ImagePlace> Numbered)
{
    public bool HasNumbers => Numbered.Count > 0;

    public bool IsEmpty => ByClass.Count == 0 && Numbered.Count == 0;
}
