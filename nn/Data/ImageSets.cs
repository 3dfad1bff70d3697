using Lathe.Contracts;
using Lathe.Graph;

namespace Lathe.NN.Data;

/// <summary>Opens data sets of photographs, which stay in their files.</summary>
internal static class ImageSets
{
    /// <summary>Lists the images; none is decoded yet.</summary>
    /// <param name="name">Name of the data set.</param>
    /// <param name="files">Where it lies.</param>
    /// <param name="options">Size and tolerance.</param>
    /// <exception cref="LatheException">Options out of range, or <see cref="ImageIndex.Read"/> refuses the files.</exception>
    public static DataSet Open(string name, ImageSetFiles files, ImageOptions options)
    {
        if (options.Side is < 8 or > 2048)
            throw new LatheException($"The images' side is {options.Side}; it must be 8 to 2048 pixels.");
        if (options.DamagedLimit < 0)
            throw new LatheException($"The limit of damaged images is {options.DamagedLimit}; it must be at least 0.");
        if (files.Form == ImageSetForm.Tensors)
            return TensorSets.Open(name, files.Root, files.Train, files.Validation);
        var index = ImageIndex.Read(files);
        var shape = new TensorShape(3, options.Side, options.Side);
        return new DataSet(name, index.Classes, shape, Split(index.Train), Split(index.Validation))
        {
            LeftOut = files.Form == ImageSetForm.Folders ? ClassFolders.LeftOut(files.Train.Concat(files.Validation).Select(split => Path.Combine(files.Root, split))) : null,
        };

        Split Split(ImagePlace[] places) => new(
            new FileImages(places, shape, new DamagedImages(places.Length, options.DamagedLimit), files.Remote), shape, index.Classes, Normalization.ImageNet);
    }
}
