//! Damage of all kinds, the same in every run.

use crate::image::Image;

/// Numbers that look random (`SplitMix64`).
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number from 0 to below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).expect("a number below one of the same type")
    }

    fn byte(&mut self) -> u8 {
        // Lengths and page numbers are mostly small, so that small values do more harm.
        match self.below(4) {
            0 => 0,
            1 => u8::try_from(self.below(16)).expect("a number below 16"),
            _ => self.next().to_le_bytes()[0],
        }
    }

    fn page(&mut self, image: &Image) -> usize {
        1 + self.below(image.pages())
    }
}

/// Does one to three kinds of damage.
pub(crate) fn damage(image: &mut Image, random: &mut Random) {
    let times = if random.below(4) == 0 { 3 } else { 1 };
    for _ in 0..times {
        damage_once(image, random);
    }
}

fn damage_once(image: &mut Image, random: &mut Random) {
    let length = image.bytes.len();
    if image.pages() < 2 {
        return;
    }
    match random.below(14) {
        0..=2 => flip(image, random.below(length), random),
        // The header of the file, less often its first words.
        3 => {
            let at = if random.below(6) == 0 { random.below(100) } else { 16 + random.below(84) };
            image.bytes[at] = random.byte();
        }
        // The header of a tree's page: kind, number of cells, start of the cells, the last child.
        4 | 5 => {
            let page = random.page(image);
            let at = (page - 1) * image.page_size + Image::head(page) + random.below(12);
            flip(image, at, random);
        }
        6 => pointer(image, random),
        7 | 8 => cell(image, random),
        9 => child(image, random),
        10 => {
            let page = random.page(image);
            image.page_mut(page).fill(0);
        }
        11 => image.bytes.truncate(1 + random.below(length)),
        12 => {
            let (from, to) = (random.page(image), random.page(image));
            let (from, old) = (image.page(from).to_vec(), image.page(to).to_vec());
            if random.below(2) == 0 {
                let other = random.page(image);
                image.page_mut(other).copy_from_slice(&old);
            }
            image.page_mut(to).copy_from_slice(&from);
        }
        _ => {
            let (at, run) = (random.below(length), 1 + random.below(32));
            for byte in image.bytes.iter_mut().skip(at).take(run) {
                *byte = random.byte();
            }
        }
    }
}

fn flip(image: &mut Image, at: usize, random: &mut Random) {
    image.bytes[at] ^= 1 << random.below(8);
}

/// Where the pointer to one of a page's cells stands in the file.
fn some_pointer(image: &Image, random: &mut Random) -> usize {
    let page = random.page(image);
    let head = Image::head(page);
    let first = if image.page(page)[head] & 8 == 0 { 12 } else { 8 };
    (page - 1) * image.page_size + (head + first + 2 * random.below(image.cells(page))).min(image.page_size - 2)
}

fn pointer(image: &mut Image, random: &mut Random) {
    let at = some_pointer(image, random);
    if random.below(2) == 0 {
        // A cell somewhere near.
        let shift = random.below(64);
        let old = u16::from_be_bytes([image.bytes[at], image.bytes[at + 1]]);
        let new = old.wrapping_add(u16::try_from(shift).expect("a small number")).wrapping_sub(32);
        image.bytes[at..at + 2].copy_from_slice(&new.to_be_bytes());
    } else {
        image.bytes[at] = random.byte();
        image.bytes[at + 1] = random.byte();
    }
}

/// The start of a cell: its length, row id and header; or the end of it: the first overflow page.
fn cell(image: &mut Image, random: &mut Random) {
    let at = some_pointer(image, random);
    let start = at - at % image.page_size;
    let pointed = usize::from(u16::from_be_bytes([image.bytes[at], image.bytes[at + 1]]));
    let offset = if random.below(3) == 0 { random.below(100) } else { random.below(12) };
    let place = (start + pointed + offset).min(image.bytes.len() - 1);
    if random.below(2) == 0 { flip(image, place, random) } else { image.bytes[place] = random.byte() }
}

/// The page number that an interior page has for a child.
fn child(image: &mut Image, random: &mut Random) {
    let interior: Vec<usize> =
        (1..=image.pages()).filter(|&page| image.page(page)[Image::head(page)] == 0x05).collect();
    if interior.is_empty() {
        return;
    }
    let page = interior[random.below(interior.len())];
    let other = u32::try_from(random.page(image) + random.below(3)).expect("a small file");
    let cell = random.below(image.cells(page) + 1);
    let pointer = Image::head(page) + 12 + 2 * cell;
    let bytes = image.page(page);
    let at = if cell == image.cells(page) {
        Image::head(page) + 8
    } else {
        usize::from(u16::from_be_bytes([bytes[pointer], bytes[pointer + 1]]))
    };
    if at + 4 <= image.page_size {
        image.set_u32(page, at, other);
    }
}
