namespace Lathe.NN.FixedPoint.C;

/// <summary>
/// The C functions that steps call. C99 alone: no header but stdint.h, no heap, no float, and no operator whose result the standard leaves to
/// the compiler (negative numbers are never shifted).
/// </summary>
internal static class CFunctions
{
    /// <summary>What every map of a sum to a byte needs.</summary>
    public const string Maps = """
        /* Rounds (value * multiplier + offset) / 2^shift to the nearest whole number, ties to even. */
        static int64_t floor_shift(int64_t value, int shift)
        {
            return value >= 0 ? value >> shift : -1 - ((-1 - value) >> shift);
        }

        static int64_t map_sum(int32_t value, int32_t multiplier, int64_t offset, int shift)
        {
            int64_t scaled = (int64_t)value * multiplier + offset;
            int64_t odd = floor_shift(scaled, shift) & 1;
            return floor_shift(scaled + ((int64_t)1 << (shift - 1)) - 1 + odd, shift);
        }
        """;

    /// <summary>A number of steps as a byte of a tensor.</summary>
    public const string Store = """
        static uint8_t to_byte(int64_t steps, int zero, int least, int greatest)
        {
            int64_t value = steps + zero;
            return (uint8_t)(value < least ? least : value > greatest ? greatest : value);
        }
        """;

    /// <summary>Unpacks the weights of one output channel.</summary>
    public const string Unpack = """
        /* Field i of N bits, two's complement, takes bits i*N to i*N+N-1 of the packed bytes, counted from each byte's lowest. */
        static void unpack(const uint8_t *packed, int64_t first, int32_t count, int bits, int8_t *levels)
        {
            int32_t i;
            int half = 1 << (bits - 1);
            for (i = 0; i < count; i++) {
                int64_t bit = (first + i) * bits;
                int in_byte = (int)(bit & 7);
                int field = packed[bit >> 3] >> in_byte;
                if (in_byte + bits > 8)
                    field |= packed[(bit >> 3) + 1] << (8 - in_byte);
                field &= (1 << bits) - 1;
                levels[i] = (int8_t)(field >= half ? field - 2 * half : field);
            }
        }
        """;

    /// <summary>Convolution and linear layer.</summary>
    public const string Multiply = """
        typedef struct {
            int32_t in_channels, out_channels, kernel_height, kernel_width, stride_y, stride_x, top, left, dilation_y, dilation_x, groups;
            int32_t height, width, out_height, out_width;
            int bits, in_zero, out_zero, least, greatest;
        } multiply_shape;

        static int32_t multiply_one(const multiply_shape *s, const uint8_t *x, const int8_t *levels, int32_t group, int32_t row, int32_t column)
        {
            int32_t read = s->in_channels / s->groups;
            int32_t sum = 0, ky, kx, c;
            for (ky = 0; ky < s->kernel_height; ky++) {
                int32_t y = row * s->stride_y + ky * s->dilation_y - s->top;
                for (kx = 0; kx < s->kernel_width; kx++, levels += read) {
                    int32_t at = column * s->stride_x + kx * s->dilation_x - s->left;
                    const uint8_t *bytes;
                    if (y < 0 || y >= s->height || at < 0 || at >= s->width)
                        continue;
                    bytes = x + (y * s->width + at) * s->in_channels + group * read;
                    for (c = 0; c < read; c++)
                        sum += levels[c] * (bytes[c] - s->in_zero);
                }
            }
            return sum;
        }
        """;

    /// <summary>A layer whose output is bytes.</summary>
    public const string MultiplyToBytes = """
        static void multiply(const multiply_shape *s, const uint8_t *x, uint8_t *y, int8_t *levels, const uint8_t *weights,
                             const int32_t *multipliers, const int64_t *offsets, const uint8_t *shifts)
        {
            int32_t depth = s->kernel_height * s->kernel_width * (s->in_channels / s->groups);
            int32_t channel, pixel;
            for (channel = 0; channel < s->out_channels; channel++) {
                int32_t group = channel / (s->out_channels / s->groups);
                unpack(weights, (int64_t)channel * depth, depth, s->bits, levels);
                for (pixel = 0; pixel < s->out_height * s->out_width; pixel++) {
                    int32_t sum = multiply_one(s, x, levels, group, pixel / s->out_width, pixel % s->out_width);
                    y[pixel * s->out_channels + channel] = to_byte(
                        map_sum(sum, multipliers[channel], offsets[channel], shifts[channel]), s->out_zero, s->least, s->greatest);
                }
            }
        }
        """;

    /// <summary>A layer whose output is the logits.</summary>
    public const string MultiplyToLogits = """
        static void multiply_to_logits(const multiply_shape *s, const uint8_t *x, int32_t *logits, int8_t *levels, const uint8_t *weights,
                                       const int32_t *multipliers, const int64_t *offsets, const uint8_t *shifts)
        {
            int32_t depth = s->kernel_height * s->kernel_width * (s->in_channels / s->groups);
            int32_t channel;
            for (channel = 0; channel < s->out_channels; channel++) {
                int64_t value;
                unpack(weights, (int64_t)channel * depth, depth, s->bits, levels);
                value = map_sum(multiply_one(s, x, levels, channel / (s->out_channels / s->groups), 0, 0),
                                multipliers[channel], offsets[channel], shifts[channel]);
                logits[channel] = (int32_t)(value < INT32_MIN ? INT32_MIN : value > INT32_MAX ? INT32_MAX : value);
            }
        }
        """;

    /// <summary>Batch norm by itself.</summary>
    public const string Channels = """
        static void map_channels(const uint8_t *x, uint8_t *y, int32_t pixels, int32_t channels, int in_zero, int out_zero, int least, int greatest,
                                 const int32_t *multipliers, const int64_t *offsets, const uint8_t *shifts)
        {
            int32_t i;
            for (i = 0; i < pixels * channels; i++) {
                int32_t c = i % channels;
                y[i] = to_byte(map_sum(x[i] - in_zero, multipliers[c], offsets[c], shifts[c]), out_zero, least, greatest);
            }
        }
        """;

    /// <summary>PReLU.</summary>
    public const string Slopes = """
        static void map_slopes(const uint8_t *x, uint8_t *y, int32_t pixels, int32_t channels, int in_zero, int out_zero, int least, int greatest,
                               int32_t multiplier, int64_t offset, int shift, const int32_t *multipliers, const int64_t *offsets, const uint8_t *shifts)
        {
            int32_t i;
            for (i = 0; i < pixels * channels; i++) {
                int32_t c = i % channels, value = x[i] - in_zero;
                y[i] = to_byte(value < 0 ? map_sum(value, multipliers[c], offsets[c], shifts[c]) : map_sum(value, multiplier, offset, shift),
                               out_zero, least, greatest);
            }
        }
        """;

    /// <summary>Sum of tensors.</summary>
    public const string Sum = """
        static void add(const uint8_t *const *x, int inputs, uint8_t *y, int32_t length, int32_t zeros, int out_zero, int least, int greatest,
                        int32_t multiplier, int64_t offset, int shift)
        {
            int32_t i;
            int j;
            for (i = 0; i < length; i++) {
                int32_t sum = -zeros;
                for (j = 0; j < inputs; j++)
                    sum += x[j][i];
                y[i] = to_byte(map_sum(sum, multiplier, offset, shift), out_zero, least, greatest);
            }
        }
        """;

    /// <summary>Product of two tensors.</summary>
    public const string Product = """
        static void product(const uint8_t *a, int a_single, int a_zero, const uint8_t *b, int b_single, int b_zero, uint8_t *y, int32_t pixels,
                            int32_t channels, int out_zero, int least, int greatest, int32_t multiplier, int64_t offset, int shift)
        {
            int32_t i;
            for (i = 0; i < pixels * channels; i++) {
                int32_t left = a[a_single ? i % channels : i] - a_zero, right = b[b_single ? i % channels : i] - b_zero;
                y[i] = to_byte(map_sum(left * right, multiplier, offset, shift), out_zero, least, greatest);
            }
        }
        """;

    /// <summary>What means need.</summary>
    public const string Divide = """
        /* Rounds sum * 2^places / divisor to the nearest whole number, ties to even. */
        static int64_t divide(int32_t sum, int places, int64_t divisor)
        {
            int64_t scaled = sum * ((int64_t)1 << places);
            int64_t whole = scaled / divisor, rest = scaled % divisor;
            if (rest < 0) {
                whole--;
                rest += divisor;
            }
            return 2 * rest > divisor || (2 * rest == divisor && whole % 2 != 0) ? whole + 1 : whole;
        }
        """;

    /// <summary>Mean over one window.</summary>
    public const string Mean = """
        static void mean(const uint8_t *x, uint8_t *y, int32_t width, int32_t channels, int32_t row, int32_t rows, int32_t column, int32_t columns,
                         int in_zero, int out_zero, int least, int greatest, int places, int64_t divisor)
        {
            int32_t c, i, j;
            for (c = 0; c < channels; c++) {
                int32_t sum = 0;
                for (i = row; i < row + rows; i++)
                    for (j = column; j < column + columns; j++)
                        sum += x[(i * width + j) * channels + c] - in_zero;
                y[c] = to_byte(divide(sum, places, divisor), out_zero, least, greatest);
            }
        }
        """;

    /// <summary>Maximum pooling.</summary>
    public const string Maximum = """
        static void maximum(const uint8_t *x, uint8_t *y, int32_t channels, int32_t height, int32_t width, int32_t out_height, int32_t out_width,
                            int32_t kernel_height, int32_t kernel_width, int32_t stride_y, int32_t stride_x, int32_t top, int32_t left)
        {
            int32_t pixel, tap, c;
            for (pixel = 0; pixel < out_height * out_width; pixel++, y += channels) {
                for (c = 0; c < channels; c++)
                    y[c] = 0;
                for (tap = 0; tap < kernel_height * kernel_width; tap++) {
                    int32_t row = pixel / out_width * stride_y + tap / kernel_width - top;
                    int32_t column = pixel % out_width * stride_x + tap % kernel_width - left;
                    const uint8_t *bytes;
                    if (row < 0 || row >= height || column < 0 || column >= width)
                        continue;
                    bytes = x + (row * width + column) * channels;
                    for (c = 0; c < channels; c++)
                        if (bytes[c] > y[c])
                            y[c] = bytes[c];
                }
            }
        }
        """;

    /// <summary>Bytes looked up; of a concatenation, into part of the channels.</summary>
    public const string Look = """
        static void look_up(const uint8_t *x, uint8_t *y, int32_t pixels, int32_t channels, int32_t out_channels, int32_t before, const uint8_t *table)
        {
            int32_t i, c;
            for (i = 0; i < pixels; i++)
                for (c = 0; c < channels; c++)
                    y[i * out_channels + before + c] = table[x[i * channels + c]];
        }
        """;

    /// <summary>Zero channels around others.</summary>
    public const string Pad = """
        static void pad(const uint8_t *x, uint8_t *y, int32_t pixels, int32_t channels, int32_t out_channels, int32_t before, int zero)
        {
            int32_t i, c;
            for (i = 0; i < pixels; i++)
                for (c = 0; c < out_channels; c++)
                    y[i * out_channels + c] = c >= before && c < before + channels ? x[i * channels + c - before] : (uint8_t)zero;
        }
        """;

    /// <summary>Zero pixels around others.</summary>
    public const string Border = """
        static void border(const uint8_t *x, uint8_t *y, int32_t height, int32_t width, int32_t channels, int32_t out_height, int32_t out_width,
                           int32_t out_channels, int32_t before, int32_t top, int32_t left, int zero)
        {
            int32_t i, j, c;
            for (i = -top; i < out_height - top; i++)
                for (j = -left; j < out_width - left; j++)
                    for (c = -before; c < out_channels - before; c++)
                        *y++ = i >= 0 && i < height && j >= 0 && j < width && c >= 0 && c < channels ? x[(i * width + j) * channels + c] : (uint8_t)zero;
        }
        """;

    /// <summary>Some of the pixels.</summary>
    public const string Subsample = """
        static void subsample(const uint8_t *x, uint8_t *y, int32_t channels, int32_t width, int32_t out_height, int32_t out_width,
                              int32_t stride_y, int32_t stride_x)
        {
            int32_t i, j, c;
            for (i = 0; i < out_height; i++)
                for (j = 0; j < out_width; j++)
                    for (c = 0; c < channels; c++)
                        y[(i * out_width + j) * channels + c] = x[(i * stride_y * width + j * stride_x) * channels + c];
        }
        """;

    /// <summary>From pixel by pixel to channel by channel.</summary>
    public const string Flatten = """
        static void flatten(const uint8_t *x, uint8_t *y, int32_t pixels, int32_t channels)
        {
            int32_t i, c;
            for (c = 0; c < channels; c++)
                for (i = 0; i < pixels; i++)
                    y[c * pixels + i] = x[i * channels + c];
        }
        """;

    /// <summary>Bytes that are the logits.</summary>
    public const string Logits = """
        static void to_logits(const uint8_t *x, int32_t *logits, int32_t length, int zero)
        {
            int32_t i;
            for (i = 0; i < length; i++)
                logits[i] = x[i] - zero;
        }
        """;
}
